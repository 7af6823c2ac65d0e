/** A user's program, for its types only: `npm run types` compiles it. What must not compile says so. */
import { bufferTime, filter, type Observable } from 'rxjs'
import {
  type Lab,
  type NetDevice,
  type Netns,
  type ObservedDecision,
  type ObservedDrop,
  type ObservedEvent,
  type ObservedFlow,
  type ObservedFrame,
  observe,
  openTopology,
  type World,
} from '../../src/index.ts'

export async function program(lab: Lab, world: World, device: NetDevice, netns: Netns): Promise<string[]> {
  const frames: Observable<ObservedFrame> = observe.frames(lab, { interfaces: 'w1/*', filter: 'udp port 53' })
  observe.frames(world, { filter: (bytes, at, end, outgoing) => outgoing && end - at > 60 && bytes[at] === 0 })
  observe.frames(device)
  const drops: Observable<ObservedDrop> = observe.drops(lab)
  const flows: Observable<ObservedFlow> = observe.flows(netns)
  const decisions: Observable<ObservedDecision> = observe.decisions(world)
  const events: Observable<ObservedEvent> = observe.events(lab)
  // @ts-expect-error a namespace has frames only at its devices
  observe.frames(netns)
  // @ts-expect-error no such option
  observe.frames(lab, { interface: 'eth0' })
  const told: string[] = []
  frames.pipe(bufferTime(1000, null, 10, observe.clock(lab))).subscribe((some) => told.push(some[0].text))
  drops.pipe(filter(({ reason }) => reason === 'NoRoute')).subscribe(({ words }) => told.push(words))
  // @ts-expect-error it is none of the reasons
  drops.pipe(filter(({ reason }) => reason === 'Tired')).subscribe()
  flows.subscribe(({ event, original }) => told.push(event satisfies 'NEW' | 'UPDATE' | 'DESTROY', original.source))
  decisions.subscribe(({ sentence, entry }) => told.push(entry ?? sentence))
  events.subscribe((event) => {
    switch (event.type) {
      case 'neighbour':
        return void told.push(event.mac, event.state)
      case 'pod':
        return void told.push(event.stage, event.pod.metadata.name)
      case 'object':
        return void told.push(event.change, event.kind)
      default:
        // @ts-expect-error links, addresses and routes have no stage
        return void told.push(event.where, event.stage)
    }
  })
  const other: Lab = await openTopology('lab.yaml', { seed: 2 })
  await other.say('true')
  return told
}
