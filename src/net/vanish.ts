/** The end of a namespace that nobody holds any more (cleanup_net): what is still in it goes with it. */
import type { Netns } from './netns.ts'

export function vanish(netns: Netns): void {
  for (const device of netns.devices.values()) netns.world.deviceLeft(device)
}
