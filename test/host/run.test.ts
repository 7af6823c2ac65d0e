import { describe, expect, it } from 'vitest'
import { Machine } from '../../src/host/machine.ts'
import { Killed, type Process, type Program } from '../../src/host/process.ts'
import { Runner, StalledError } from '../../src/host/run.ts'
import { World } from '../../src/link/world.ts'
import { SECOND } from '../../src/sim/scheduler.ts'

const silent = { out: () => {}, err: () => {} }

function start(...programs: Program[]) {
  const runner = new Runner(new World(1))
  const machine = new Machine(runner, 'node1', new Map(programs.map((program, index) => [`p${index}`, program])))
  const running = programs.map((_, index) => machine.place.spawn([`p${index}`], silent))
  return { runner, machine, running, all: Promise.all(running.map((one) => one.exit)) }
}

describe('Runner', () => {
  it('lets two sleepers of one instant act in the order in which they lay down', async () => {
    const log: string[] = []
    const sleeper =
      (name: string): Program =>
      async (self) => {
        await self.sleep(SECOND)
        log.push(`${name} ${self.now()}`)
        return 0
      }
    const { runner, all } = start(sleeper('a'), sleeper('b'))
    await runner.until(all)
    expect(log).toEqual([`a ${SECOND}`, `b ${SECOND}`])
  })

  it('lets no time pass between what happened and who waited for it, however many awaits lie between', async () => {
    const deep = async (self: Process, depth: number): Promise<number> => {
      if (depth > 0) return deep(self, depth - 1)
      await self.sleep(SECOND)
      return self.now()
    }
    const seen: number[] = []
    const { runner, all } = start(
      async (self) => {
        await deep(self, 50)
        for (let i = 0; i < 50; i++) await Promise.resolve()
        seen.push(self.now())
        return 0
      },
      async (self) => {
        await self.sleep(SECOND + 1)
        seen.push(self.now())
        return 0
      },
    )
    await runner.until(all)
    expect(seen).toEqual([SECOND, SECOND + 1])
  })

  it('runs thousands of sleeps', async () => {
    const { runner, all } = start(async (self) => {
      for (let i = 0; i < 5000; i++) await self.sleep(1000)
      return Math.floor(self.now() / 1000)
    })
    expect(await runner.until(all)).toEqual([5000])
  })

  it('yields to the platform only when somebody was woken', async () => {
    let yields = 0
    const defer = (callback: () => void) => {
      yields++
      setImmediate(callback)
    }
    const runner = new Runner(new World(1), 0, defer)
    for (let i = 0; i < 1000; i++) runner.world.scheduler.call(i, () => {})
    await runner.runFor(2000)
    expect(yields).toBe(0)
    runner.world.scheduler.call(5, () => runner.wake())
    await runner.runFor(10)
    expect(yields).toBe(1)
  })

  it('works on a message channel where there is no setImmediate', async () => {
    const channel = new MessageChannel()
    const queue: (() => void)[] = []
    channel.port1.on('message', () => queue.shift()?.())
    const runner = new Runner(new World(1), 0, (callback) => {
      queue.push(callback)
      channel.port2.postMessage(null)
    })
    const machine = new Machine(runner, 'node1', new Map())
    const { exit } = machine.place.launch(
      async (self) => {
        await self.sleep(SECOND)
        return self.now() / SECOND
      },
      ['sleeper'],
      silent,
    )
    expect(await runner.until(exit)).toBe(1)
    channel.port1.close()
  })

  it('says who waits when nothing is left to happen', async () => {
    const { runner, all } = start((self) => self.forever())
    const stalled = await runner.until(all).catch((error: unknown) => error)
    expect(stalled).toBeInstanceOf(StalledError)
    expect((stalled as StalledError).waiting).toEqual(['node1: p0'])
  })

  it('lets a program that is started inside an event go on before time does', async () => {
    const { runner, machine } = start()
    let seen = -1
    runner.world.scheduler.call(SECOND, () => {
      machine.place.launch(
        async (self) => {
          for (let i = 0; i < 20; i++) await Promise.resolve()
          seen = self.now()
          return 0
        },
        ['late'],
        silent,
      )
    })
    runner.world.scheduler.call(2 * SECOND, () => {})
    await runner.runFor(3 * SECOND)
    expect(seen).toBe(SECOND)
  })

  it('stops the clock where it was told to', async () => {
    const { runner } = start(async (self) => {
      await self.sleep(3 * SECOND)
      return 0
    })
    await runner.runFor(SECOND)
    expect(runner.world.scheduler.now).toBe(SECOND)
    await runner.runTo(2 * SECOND)
    expect(runner.world.scheduler.now).toBe(2 * SECOND)
  })

  it('lets a program that is woken at the last instant run before the clock stops', async () => {
    let acted = false
    const { runner } = start(async (self) => {
      await self.sleep(SECOND)
      acted = true
      return 0
    })
    await runner.runTo(SECOND)
    expect(acted).toBe(true)
  })
})

describe('Process', () => {
  it('is numbered from 2 on a machine and from 1 in a container', () => {
    const { machine, running } = start(async () => 0)
    expect(running[0].process.pid).toBe(2)
    const container = machine.addPlace('web', machine.netns, { hostname: 'web', programs: machine.place.programs })
    expect(container.spawn(['p0'], silent).process.pid).toBe(1)
  })

  it('tells a time-out from an answer', async () => {
    const { runner, all } = start(async (self) => {
      const late = await self.wait<string>(
        (settle) => void self.world.scheduler.call(2 * SECOND, () => settle('late')),
        SECOND,
      )
      const early = await self.wait<string>(
        (settle) => void self.world.scheduler.call(SECOND, () => settle('early')),
        2 * SECOND,
      )
      expect(late).toBeNull()
      expect(early).toBe('early')
      return self.now() / SECOND
    })
    // Two seconds, and the 50 µs that a woken process takes to run.
    expect(await runner.until(all)).toEqual([2.00005])
  })

  it('dies of a signal through its finally blocks, and its children with it', async () => {
    const log: string[] = []
    const { runner, running, all } = start(async (self) => {
      try {
        await self.fork(
          async (child) => {
            try {
              return await child.forever()
            } finally {
              log.push('child')
            }
          },
          ['child'],
        ).exit
        await self.sleep(0)
      } catch (error) {
        expect(error).toBeInstanceOf(Killed)
        throw error
      } finally {
        log.push('parent')
      }
      return 0
    })
    runner.world.scheduler.call(SECOND, () => running[0].process.kill(9))
    expect(await runner.until(all)).toEqual([137])
    expect(log).toEqual(['child', 'parent'])
    expect(running[0].process.place.processes.size).toBe(0)
  })

  it('exits with 143 after SIGTERM, and is silent from then on', async () => {
    let text = ''
    const runner = new Runner(new World(1))
    const machine = new Machine(runner, 'node1', new Map())
    const { process, exit } = machine.place.launch(
      async (self) => {
        try {
          return await self.forever()
        } finally {
          self.out('still here\n')
        }
      },
      ['server'],
      {
        out: (more) => {
          text += more
        },
        err: () => {},
      },
    )
    process.kill(15)
    expect(await runner.until(exit)).toBe(143)
    expect(text).toBe('')
  })

  it('may handle a signal, but not SIGKILL', async () => {
    const caught: number[] = []
    const { runner, running, all } = start(async (self) => {
      self.trap(2, () => caught.push(2))
      self.trap(9, () => caught.push(9))
      return self.forever()
    })
    running[0].process.kill(2)
    running[0].process.kill(9)
    expect(await runner.until(all)).toEqual([137])
    expect(caught).toEqual([2])
  })
})
