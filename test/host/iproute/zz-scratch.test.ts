import { readFileSync, writeFileSync } from 'node:fs'
import { it } from 'vitest'
import { iprouteCommands } from '../../../src/host/commands/iproute.ts'
import { Machine } from '../../../src/host/machine.ts'
import { Runner } from '../../../src/host/run.ts'
import { World } from '../../../src/link/world.ts'
import { ping } from '../../../src/host/commands/ping.ts'
for (const name of ['iptest', 'iptest2']) it(name, async () => {
  const world = new World(7)
  const runner = new Runner(world)
  const m = new Machine(runner, 'm', new Map(Object.entries({ ...iprouteCommands })))
  if (name === 'iptest') { m.netns.setDown(m.netns.loopback) }
  let out = ''
  const io = { out: (t: string) => { out += t }, err: (t: string) => { out += t } }
  for (const line of readFileSync(`/tmp/${name}.sh`, 'utf8').split('\n')) {
    for (const part of line.split(/;\s*/)) {
      const words = part.trim().replace(/ \| cut.*/, '').split(/\s+/)
      if (words[0] === 'r') {
        out += `$ ${words.slice(1).join(' ')}\n`
        try {
          const code = await runner.until(m.place.spawn(words.slice(1), io).exit)
          out += `[exit ${code}]\n`
        } catch (e) { out += `!!! ${(e as Error).stack}\n` }
        await runner.runFor(1e6)
      } else if (words[0] === 'ip' || words[0] === 'sysctl') {
        if (words[0] === 'ip' || words[2].includes('forward')) await runner.until(m.place.spawn(words, io).exit)
      }
    }
  }
  writeFileSync(`/tmp/pwref/${name}.out`, out)
})
