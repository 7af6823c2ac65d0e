/** Processes and namespaces: texts and codes of iproute2 6.1 on Linux 6.18. */
import { expect, it } from 'vitest'
import { Node } from './node.ts'

it('says who is in a namespace, and names the namespace of a process', async () => {
  const lab = new Node()
  await lab.prints('ip netns add a')
  expect(await lab.prints('ip netns pids a')).toBe('')
  await lab.prints('ip -n a link set lo up')
  const io = { out: () => {}, err: () => {} }
  const listening = lab.node.place.spawn(['ip', 'netns', 'exec', 'a', 'tcpdump', '-i', 'lo'], io)
  await lab.runner.runFor(1e9)
  const [pid, ...others] = (await lab.prints('ip netns pids a')).trimEnd().split('\n')
  expect(others).toEqual([])
  expect(await lab.prints(`ip netns identify ${pid}`)).toBe('a\n')
  await lab.prints(`ip netns attach b ${pid}`)
  expect((await lab.prints('ip netns list')).split('\n').slice(0, 2)).toEqual(['b', 'a'])
  expect(await lab.prints('ip netns pids b')).toBe(`${pid}\n`)
  expect(await lab.fails(`ip netns attach b ${pid}`)).toBe('1 Cannot create namespace file "/run/netns/b": File exists')
  lab.node.place.processes.get(Number(pid))?.kill(15)
  await lab.runner.until(listening.exit)
  expect(await lab.prints('ip netns pids a')).toBe('')
  expect(lab.world.frames.inUse).toBe(0)
})

it('refuses as ip does', async () => {
  const lab = new Node()
  for (const [words, said] of [
    ['pids', '1 No netns name specified'],
    ['pids nope', '1 Cannot open network namespace: No such file or directory'],
    ['pids a extra', '1 extra arguments specified'],
    ['attach', '1 No netns name and PID specified'],
    ['attach b', '1 No netns name and PID specified'],
    ['attach b abc', '1 Invalid PID: abc'],
    ['attach b 0', '1 Invalid PID: 0'],
    ['attach b 999999', '1 Bind /proc/999999/ns/net -> /run/netns/b failed: No such file or directory'],
    ['add a/b', '255 Invalid netns name "a/b"'],
    ['monitor', '2 podwire: ip netns monitor is not modelled'],
    ['set a 5', '2 podwire: ip netns set is not modelled'],
  ]) {
    expect(await lab.fails(`ip netns ${words}`), words).toBe(said)
  }
})
