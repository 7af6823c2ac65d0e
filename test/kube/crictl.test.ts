import { describe, expect, it } from 'vitest'
import { lab, pod } from './fixture.ts'

describe('crictl', () => {
  it('lists containers and pods in columns', async () => {
    const { cluster, readyPods, run, on } = await lab()
    cluster.apply([pod('web', 'nginx', { nodeName: 'w1.example.com' })])
    const [made] = await readyPods('app=web', 1)
    await run(61)
    const id = made.status.containerStatuses?.[0].containerID?.slice('containerd://'.length) ?? ''
    const sandbox = cluster.sandbox('default', 'web')?.id ?? ''
    const { output } = await on('w1.example.com', 'crictl', 'ps')
    const [head, first] = output.split('\n')
    expect(head).toMatch(
      /^CONTAINER {11}IMAGE {15}CREATED {14}STATE {15}NAME {16}ATTEMPT {13}POD ID {14}POD {2,}NAMESPACE$/,
    )
    expect(first.split(/\s{2,}/)).toEqual([
      id.slice(0, 13),
      expect.stringMatching(/^[0-9a-f]{13}$/),
      'About a minute ago',
      'Running',
      'web',
      '0',
      sandbox.slice(0, 13),
      'web',
      'default',
    ])
    const pods = (await on('w1.example.com', 'crictl', 'pods', '--namespace', 'default')).output.split('\n')
    expect(pods[1].split(/\s{2,}/).slice(2)).toEqual(['Ready', 'web', 'default', '0', '(default)'])
    const inspected = JSON.parse((await on('w1.example.com', 'crictl', 'inspect', id.slice(0, 8))).output) as {
      status: { metadata: unknown; state: string }
    }
    expect(inspected.status).toMatchObject({ metadata: { attempt: 0, name: 'web' }, state: 'CONTAINER_RUNNING' })
  })

  it('does not remove what runs, unless forced; stopped containers come back', async () => {
    const { cluster, readyPods, run, on } = await lab()
    cluster.apply([pod('web', 'nginx', { nodeName: 'w1.example.com' })])
    const [made] = await readyPods('app=web', 1)
    const id = made.status.containerStatuses?.[0].containerID?.slice('containerd://'.length) ?? ''
    const refused = await on('w1.example.com', 'crictl', 'rm', id)
    expect(refused.code).toBe(1)
    expect(refused.output).toContain('is running, please stop it first')
    expect((await on('w1.example.com', 'crictl', 'stop', id)).output).toBe(`${id}\n`)
    await run(3)
    const status = cluster.store.get('Pod', 'default', 'web')?.status
    expect(status).toMatchObject({
      podIP: made.status.podIP,
      containerStatuses: [
        { restartCount: 1, ready: true, lastState: { terminated: { exitCode: 137, reason: 'Error' } } },
      ],
    })
    expect((await on('w1.example.com', 'crictl', 'rm', 'ffffffff')).code).toBe(1)
    expect((await on('w1.example.com', 'crictl', 'nosuch')).output).toBe('podwire: crictl nosuch is not modelled\n')
  })
})
