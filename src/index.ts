/**
 * The library: build a lab from a topology, type commands, look at captures, and add images of your own.
 *
 * ```ts
 * import { Lab, loadTopology } from 'podwire'
 * const topology = loadTopology('lab.yaml', text)
 * const lab = await Lab.build(topology, { capture: [], readFile: () => null, listFolder: () => null })
 * const { code, output } = await lab.say('ssh a ping -c 1 10.0.0.2')
 * const file = lab.recorder?.capture.pcapng()
 * ```
 */
export { Capture, type CapturedInterface } from './capture/capture.ts'
export { compileFilter } from './capture/pcap-filter.ts'
export { readCapture } from './capture/pcapng-reader.ts'
export { VERSION } from './capture/version.ts'
export { Catalogue } from './host/images/catalogue.ts'
export type { Image } from './host/images/image.ts'
export { Machine } from './host/machine.ts'
export { Place } from './host/place.ts'
export type { Io, Process, Program, Running } from './host/process.ts'
export { Runner } from './host/run.ts'
export { Cluster } from './kube/cluster.ts'
export { Bridge } from './link/bridge.ts'
export { NetDevice, type Tap } from './link/device.ts'
export { DropReason, Frame, FramePool } from './link/frame.ts'
export { Veth } from './link/veth.ts'
export { World } from './link/world.ts'
export { Netns } from './net/netns.ts'
export { Netfilter } from './netfilter/netfilter.ts'
export { Scheduler } from './sim/scheduler.ts'
export { Sockets } from './socket/sockets.ts'
export { Lab } from './topology/lab.ts'
export { loadTopology } from './topology/load.ts'
export { TopologyError } from './topology/problem.ts'
export { runStep } from './topology/steps.ts'
export { VxlanDevice } from './tunnel/vxlan.ts'
export { printFrame } from './wire/print.ts'
