/**
 * The library: build a lab from a topology, type commands, look at captures, and add images of your own.
 *
 * ```ts
 * import { observe, openTopology } from 'podwire'
 * const lab = await openTopology('lab.yaml', { capture: [] })
 * observe.drops(lab).subscribe(({ where, words }) => console.log(`${where}: ${words}`))
 * const { code, output } = await lab.say('ssh a ping -c 1 10.0.0.2')
 * const file = lab.recorder?.capture.pcapng()
 * ```
 */
export { Capture, type CapturedInterface } from './capture/capture.ts'
export { compileFilter } from './capture/pcap-filter.ts'
export { readCapture } from './capture/pcapng-reader.ts'
export { VERSION } from './capture/version.ts'
export { type OpenOptions, openTopology } from './cli/open-topology.ts'
export { Catalogue } from './host/images/catalogue.ts'
export type { Image } from './host/images/image.ts'
export { Machine } from './host/machine.ts'
export { Place } from './host/place.ts'
export type { Io, Process, Program, Running } from './host/process.ts'
export { Runner } from './host/run.ts'
export { Cluster } from './kube/cluster.ts'
export { Bridge } from './link/bridge.ts'
export { NetDevice, type Tap } from './link/device.ts'
export { type DropReasonText, dropReasons } from './link/drop-reason.ts'
export { DropReason, Frame, FramePool } from './link/frame.ts'
export { Veth } from './link/veth.ts'
export { World } from './link/world.ts'
export { Netns } from './net/netns.ts'
export { Netfilter } from './netfilter/netfilter.ts'
export type { ObservedDecision } from './observe/decisions.ts'
export type { ObservedDrop } from './observe/drops.ts'
export type { ObservedEvent, PodStage } from './observe/events.ts'
export type { ObservedFlow } from './observe/flows.ts'
export type { FrameFilter, FrameOptions, ObservedFrame } from './observe/frames.ts'
export { observe } from './observe/observe.ts'
export { MILLISECOND, Scheduler, SECOND } from './sim/scheduler.ts'
export { Sockets } from './socket/sockets.ts'
export { Lab } from './topology/lab.ts'
export { loadTopology } from './topology/load.ts'
export { TopologyError } from './topology/problem.ts'
export { runStep } from './topology/steps.ts'
export { VxlanDevice } from './tunnel/vxlan.ts'
export { printFrame } from './wire/print.ts'
