/** The steps of a pass as one function (see flow-cache.ts). */
import type { Frame } from './frame.ts'
import { SharedStep, Step } from './step.ts'

/** The steps of a pass, one after the other. */
export interface Walk {
  /** Has the frame the header that the words tell? */
  fits(words: Int32Array, frame: Frame): boolean
  holds(steps: readonly Step[], frame: Frame): boolean
  again(steps: readonly Step[], frame: Frame): void
}

const walks = new Map<string, Walk>()
const kinds = new Map<unknown, number>()

/** What the steps of a pass ask and leave behind for many frames at once (see journey.ts). */
export interface Stride {
  stands(steps: readonly SharedStep[]): boolean
  leave(steps: readonly SharedStep[], packets: number, bytes: number): void
}

const strides = new Map<string, Stride>()

/** Passes that consist of the same kinds of steps share a stride. */
export function strideOf(steps: readonly SharedStep[]): Stride {
  const key = shapeOf(steps)
  const stride = strides.get(key) ?? strideWritten(steps, key)
  strides.set(key, stride)
  return stride
}

function strideWritten(steps: readonly SharedStep[], key: string): Stride {
  const { stands, leave } = SharedStep.prototype
  const asked = steps.flatMap((step, i) => (step.stands === stands ? [] : [`steps[${i}].stands()`]))
  const done = steps.flatMap((step, i) => (step.leave === leave ? [] : [`steps[${i}].leave(packets, bytes)`]))
  const text = (body: string) => new Function('steps', 'packets', 'bytes', `/* ${key} */ ${body}`)
  return {
    stands: text(`return ${asked.join(' && ') || 'true'}`) as Stride['stands'],
    leave: text(done.join('\n')) as Stride['leave'],
  }
}

/** The kinds of these steps, one after the other. */
function shapeOf(steps: readonly Step[]): string {
  const shape = steps.map(({ constructor }) => {
    const kind = kinds.get(constructor) ?? kinds.size
    kinds.set(constructor, kind)
    return kind
  })
  return shape.join(' ')
}

/** Passes that look at the same parts of a header and consist of the same kinds of steps share a walk. */
export function walkOf(mask: Int32Array, steps: readonly Step[]): Walk {
  const key = `${mask.join(' ')}: ${shapeOf(steps)}`
  const walk = walks.get(key) ?? written(mask, steps, key)
  walks.set(key, walk)
  return walk
}

/**
 * The loops over words and steps, written out: at a place of its own each call meets one kind of step only, which V8 then calls
 * directly or puts in its place; in a loop it would look up the method for each step of each frame. (A pass of 18 steps
 * takes 0.2 µs instead of 0.5.) Only numbers go into the text.
 */
function written(mask: Int32Array, steps: readonly Step[], key: string): Walk {
  const { holds, again } = Step.prototype
  const same = [...mask].flatMap((bits, i) =>
    bits === 0 ? [] : [`(view.getInt32(start + ${i * 4}, true) & ${bits}) === words[${i}]`],
  )
  const asked = steps.flatMap((step, i) => (step.holds === holds ? [] : [`steps[${i}].holds(frame)`]))
  const done = steps.flatMap((step, i) => (step.again === again ? [] : [`steps[${i}].again(frame)`]))
  // The key makes each text another one: V8 keeps what it learns of a function by its text.
  const text = (body: string, first = 'steps') => new Function(first, 'frame', `/* ${key} */ ${body}`)
  return {
    fits: text(`const { view, start } = frame; return ${same.join(' && ') || 'true'}`, 'words') as Walk['fits'],
    holds: text(`return ${asked.join(' && ') || 'true'}`) as Walk['holds'],
    again: text(done.join('\n')) as Walk['again'],
  }
}
