import { describe, expect, it } from 'vitest'
import { Explainer, type Sighting } from '../../src/capture/explainer.ts'
import { Decision } from '../../src/link/decision.ts'
import { DropReason, type Frame } from '../../src/link/frame.ts'
import { World } from '../../src/link/world.ts'

class Said extends Decision {
  override readonly kind = 'ip'
  readonly words: string

  constructor(words: string) {
    super()
    this.words = words
  }

  override sentence(): string {
    return this.words
  }

  override entry(): string | null {
    return this.words === 'route' ? '10.0.0.0/8 dev eth0' : null
  }
}

function traced() {
  const world = new World()
  const explainer = new Explainer(world)
  world.trace(explainer)
  const tell = (frame: Frame, words: string) => world.frames.tell(frame, 'w1', new Said(words))
  return { world, explainer, tell, frame: world.frames.take() }
}

const texts = (sighting: Sighting) => sighting.decisions.map(({ decision }) => String(decision))

describe('decisions and sightings', () => {
  it('explain an outgoing frame by what led to it', () => {
    const { world, explainer, tell, frame } = traced()
    tell(frame, 'socket')
    tell(frame, 'route')
    const out = explainer.seen(frame, 'out')
    expect(texts(out)).toEqual(['socket', 'route: 10.0.0.0/8 dev eth0'])
    world.frames.consume(frame)
  })

  it('explain an incoming frame by what became of it, and the next one by the same when it goes out', () => {
    const { world, explainer, tell, frame } = traced()
    tell(frame, 'socket')
    explainer.seen(frame, 'out')
    const come = explainer.seen(frame, 'in')
    tell(frame, 'bridge')
    const up = explainer.seen(frame, 'in')
    tell(frame, 'forward')
    const out = explainer.seen(frame, 'out')
    tell(frame, 'tunnel')
    const outer = explainer.seen(frame, 'out')
    expect([come, up, out, outer].map(texts)).toEqual([['bridge'], ['forward'], ['forward'], ['tunnel']])
    world.frames.consume(frame)
  })

  it('tell the end at the last sighting, outgoing or incoming', () => {
    const { world, explainer, tell, frame } = traced()
    tell(frame, 'route')
    const out = explainer.seen(frame, 'out')
    world.frames.drop(frame, DropReason.Impaired, 'w1/eth0')
    expect(texts(out)).toHaveLength(2)
    expect(texts(out)[1]).toMatch(/^dropped: /)
  })

  it('begin anew with the next packet that the pool puts into the same frame', () => {
    const { world, explainer, tell, frame } = traced()
    tell(frame, 'first')
    world.frames.consume(frame)
    const again = world.frames.take()
    expect(again).toBe(frame)
    tell(again, 'second')
    expect(texts(explainer.seen(again, 'out'))).toEqual(['second'])
    world.frames.consume(again)
  })

  it('give each copy of a flooded frame its own reason, after those of the original', () => {
    const { world, explainer, tell, frame } = traced()
    const come = explainer.seen(frame, 'in')
    tell(frame, 'learnt')
    const copy = world.frames.copy(frame)
    tell(copy, 'flooded to a')
    const a = explainer.seen(copy, 'out')
    tell(frame, 'flooded to b')
    const b = explainer.seen(frame, 'out')
    expect([come, a, b].map(texts)).toEqual([
      ['learnt', 'flooded to a', 'flooded to b'],
      ['learnt', 'flooded to a'],
      ['learnt', 'flooded to b'],
    ])
    world.frames.consume(copy)
    world.frames.consume(frame)
  })

  it('tell a frame of the loopback, which is seen coming in only, from its origin on', () => {
    const { world, explainer, tell, frame } = traced()
    tell(frame, 'socket')
    const come = explainer.seen(frame, 'in')
    tell(frame, 'delivered')
    expect(texts(come)).toEqual(['socket', 'delivered'])
    world.frames.consume(frame)
  })

  it('are heard one by one, too, with the packet they concern; an untraced world tells nothing', () => {
    const { world, explainer, tell, frame } = traced()
    const heard: unknown[] = []
    explainer.onTold = ({ where, packetId, decision }) => heard.push([where, packetId, String(decision)])
    tell(frame, 'one')
    world.untrace()
    tell(frame, 'two')
    expect(heard).toEqual([['w1', 1, 'one']])
    world.frames.consume(frame)
  })
})
