/**
 * The window: what happens in a world, as rxjs's Observables. They are cold and cost nothing until somebody subscribes,
 * everything is told in virtual time and in its order, and what a subscriber does wrong does not stop the world.
 *
 * ```ts
 * observe.drops(lab).subscribe(({ where, words, text }) => console.log(`${where}: ${words}: ${text}`))
 * observe.frames(lab, { interfaces: '**eth0', filter: 'udp port 53' }).subscribe((frame) => console.log(frame.text))
 * ```
 */
import { decisions } from './decisions.ts'
import { drops } from './drops.ts'
import { events } from './events.ts'
import { flows } from './flows.ts'
import { frames } from './frames.ts'
import { clock } from './virtual-time.ts'

export const observe = { frames, drops, flows, events, decisions, clock } as const
