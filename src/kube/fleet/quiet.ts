/** Images that may be asleep: what runs in them waits to be asked. */
import { commandLine } from '../../host/images/image.ts'
import { Machine } from '../../host/machine.ts'
import { SIGKILL } from '../../host/process.ts'
import { Runner } from '../../host/run.ts'
import { World } from '../../link/world.ts'
import { PlanError } from '../ipam.ts'
import type { ImageSource } from '../runtime.ts'

/**
 * Starts the image in a world of its own: afterwards it must run, and nothing may be due. @throws PlanError when it acts by
 * itself: it would do so late.
 */
export async function checkQuiet(images: ImageSource, reference: string, args: readonly string[]): Promise<void> {
  const image = images.find(reference)
  if (image === null) throw new PlanError(`no image "${reference}" is known, of which a fleet's pods could be made`)
  const world = new World()
  const runner = new Runner(world, 0)
  const { place } = new Machine(runner, 'alone', image.programs)
  Object.assign(place.env, image.env)
  for (const [path, text] of Object.entries(image.files ?? {})) place.files.set(path, text)
  const { exit } = place.spawn(commandLine(image, [], args), { out: () => {}, err: () => {} })
  await runner.react()
  const quiet = place.processes.size > 0 && world.scheduler.pending === 0
  place.killAll(SIGKILL)
  await exit
  if (!quiet) {
    const what = `${reference} acts by itself or ends, when it is started with ${JSON.stringify(args)}`
    throw new PlanError(`${what}: pods of a fleet wait to be asked`)
  }
}
