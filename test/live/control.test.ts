/** The control socket: what other processes may ask a running emulator. */
import { chmodSync, existsSync, lstatSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { ControlClient, choose } from '../../src/live/control-client.ts'
import { freeName, nameOf, running, runtimeFolder, socketPath } from '../../src/live/runtime-folder.ts'
import { Emulated, ownRuntimeFolder, RawClient } from './emulated.ts'

ownRuntimeFolder()
const up: Emulated[] = []
afterEach(async () => {
  for (const each of up.splice(0)) {
    await each.down()
    expect(each.emulator.lab.world.frames.inUse).toBe(0)
  }
})

async function start(name?: string): Promise<Emulated> {
  const emulated = await Emulated.up(undefined, name)
  up.push(emulated)
  return emulated
}

describe('the words of the socket', () => {
  test('pause, step, speed, resume and status', async () => {
    const { emulator } = await start()
    const client = await ControlClient.connect()
    expect(await client.ask({ do: 'pause' })).toMatchObject({ ok: true, name: 'test', paused: true, speed: 1 })
    const { now } = emulator.lab.world.scheduler
    expect(await client.ask({ do: 'step', goal: '10ms' })).toMatchObject({ end: 'reached', time: (now + 1e7) / 1e9 })
    expect(await client.ask({ do: 'speed', speed: 2 })).toMatchObject({ paused: true, speed: 2 })
    expect(await client.ask({ do: 'resume' })).toMatchObject({ paused: false })
    expect(await client.ask({ do: 'status' })).toMatchObject({ pid: process.pid, topology: 'test.yaml', readers: [] })
    client.end()
  })

  test('a step to the next frame tells what moved, and where', async () => {
    await start()
    const client = await ControlClient.connect()
    await client.ask({ do: 'pause' })
    const other = await ControlClient.connect()
    other.send({ do: 'run', line: 'ssh a ping -c 1 10.0.0.2' })
    await new Promise((resolve) => setTimeout(resolve, 20))
    const stepped = await client.ask({ do: 'step', goal: 'frame' })
    const first = 'switch/p-a In  ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28'
    expect(stepped.frames).toEqual([first, first.replace('p-a In ', 'p-b Out'), first.replace('p-a', 'br0')])
    await client.ask({ do: 'resume' })
    let said = ''
    for (let message = await other.hear(); message !== null; message = await other.hear()) {
      said += message.out ?? ''
      if (message.exit === 0) break
    }
    expect(said).toContain('1 received')
    client.end()
    other.end()
  })

  test('a command says what it says, can be interrupted, and gives its exit code', async () => {
    await start()
    const client = await ControlClient.connect()
    client.send({ do: 'run', line: 'cat', stdin: 'in\n' })
    expect([await client.hear(), await client.hear()]).toEqual([{ out: 'in\n' }, { exit: 0 }])
    client.send({ do: 'run', line: 'ssh a sleep 1000' })
    client.send({ signal: 2 })
    expect(await client.hear()).toEqual({ exit: 130 })
    client.send({ do: 'run', line: 'ssh a nonsense' })
    expect(await client.hear()).toMatchObject({ err: expect.stringContaining('not found') })
    expect(await client.hear()).toEqual({ exit: 127 })
    client.end()
  })

  test('a client that goes away takes its command along', async () => {
    const { emulator } = await start()
    const client = await ControlClient.connect()
    client.send({ do: 'run', line: 'ssh a ping 10.0.0.2' })
    const place = emulator.lab.machines.get('a.example.com')!.place
    while (![...place.processes.values()].some(({ args }) => args.includes('ping'))) await soon()
    client.socket.destroy()
    while ([...place.processes.values()].some(({ args }) => args.includes('ping'))) await soon()
    expect(place.processes.size).toBe(0)
  })

  test('interfaces, with their addresses', async () => {
    await start()
    const client = await ControlClient.connect()
    const { interfaces } = await client.ask({ do: 'interfaces' })
    expect(interfaces).toContainEqual({
      name: 'a.example.com/eth0',
      kind: 'veth',
      up: true,
      mac: expect.stringMatching(/^52:54:/),
      addresses: ['10.0.0.1/24'],
    })
    client.end()
  })

  test.each([
    [{ do: 'dance' }, 'podwire: nobody knows how to do "dance"'],
    [{ do: 'speed', speed: 0 }, 'podwire: a speed is a number above 0, at most 1000'],
    [{ do: 'step', goal: 'far' }, 'podwire: a step is an event, a frame, or a duration such as 10ms, not "far"'],
    [{ do: 'run' }, 'podwire: run needs a line'],
    [{ do: 'capture', filter: 'tcp prot 80' }, "podwire: can't parse filter expression: syntax error"],
    [{ do: 'capture', interfaces: 'a' }, 'podwire: interfaces is a list of names'],
    [{ do: 'capture', snaplen: -1 }, 'podwire: snaplen is a number of bytes, at most 262144'],
    [
      { do: 'capture', interfaces: ['a.example.com/eth1'] },
      'podwire: no interface is called a.example.com/eth1; did you mean a.example.com/eth0?',
    ],
  ])('%j is refused in words', async (request, sentence) => {
    await start()
    const client = await ControlClient.connect()
    await expect(client.ask(request)).rejects.toThrow(sentence)
    expect(await client.ask({ do: 'status' })).toMatchObject({ ok: true })
    client.end()
  })

  test('any bytes are answered, or end the connection, and harm nobody', async () => {
    const { emulator } = await start()
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => Buffer.from(text)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { maxLength: 5 }), async (pieces) => {
        const client = new RawClient()
        for (const piece of pieces) {
          client.socket.write(piece)
          client.socket.write('\n')
        }
        client.socket.end()
        await client.until(() => false)
      }),
      { numRuns: 50 },
    )
    expect(emulator.status().readers).toEqual([])
  })
})

describe('finding emulators', () => {
  test('none, one, several', async () => {
    await expect(choose()).rejects.toThrow('podwire: no emulator runs; start one with: podwire up TOPOLOGY')
    await start('one')
    expect(await choose()).toBe('one')
    await start('two')
    await expect(choose()).rejects.toThrow('podwire: several emulators run; choose one with --name: one, two')
    expect(await choose('two')).toBe('two')
    await expect(choose('three')).rejects.toThrow('podwire: no emulator is called three; running: one, two')
    expect(await freeName('one')).toBe('one-2')
    await expect(Emulated.up(undefined, 'one')).rejects.toThrow('podwire: an emulator named one runs already')
  })

  test('what a killed one left behind is removed', async () => {
    const { emulator } = await start('alive')
    const folder = runtimeFolder()
    // A socket that nobody listens on, as SIGKILL leaves it.
    const dead = createServer().listen(socketPath('dead'))
    await new Promise((resolve) => dead.once('listening', resolve))
    const path = socketPath('dead')
    const kept = join(folder, 'kept')
    renameSync(path, kept)
    dead.close()
    renameSync(kept, path)
    writeFileSync(join(folder, 'dead.4242.extcap'), '')
    writeFileSync(join(folder, 'dead.x.4242.extcap'), '')
    expect(await running()).toEqual(['alive'])
    expect(existsSync(path)).toBe(false)
    expect(readdirSync(folder)).toContain('dead.x.4242.extcap')
    expect(readdirSync(folder)).not.toContain('dead.4242.extcap')
    await up.pop()?.down()
    expect(emulator.lab.world.frames.inUse).toBe(0)
    expect(existsSync(socketPath('alive'))).toBe(false)
  })

  test("the socket is its user's alone", async () => {
    await start()
    expect(lstatSync(socketPath('test')).mode & 0o777).toBe(0o600)
    expect(lstatSync(runtimeFolder()).mode & 0o777).toBe(0o700)
    chmodSync(runtimeFolder(), 0o755)
    await start('again')
    expect(lstatSync(runtimeFolder()).mode & 0o777).toBe(0o700)
  })

  test('a name is made of any text', () => {
    expect(nameOf('kiamol-ch03')).toBe('kiamol-ch03')
    expect(nameOf('../My lab!')).toBe('My-lab-')
    expect(nameOf('…')).toBe('lab')
  })
})

function soon(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2))
}
