import { expect, test } from 'vitest'
import { play } from './play.ts'

const LAB = `
underlay: {cidr: 10.0.0.0/24, cable: {delay: 50us}}
hosts:
  - {name: a, ip: 10.0.0.1}
  - {name: b, ip: 10.0.0.2, run: ['iperf3 -s']}
  - {name: c, ip: 10.0.0.3, run: ['iperf3 -s']}
  - {name: d, ip: 10.0.0.4}
steps:
  - run: ssh a ping -c 3 10.0.0.2
  - run: ssh a iperf3 -c 10.0.0.2 -n 100K & ssh d iperf3 -c 10.0.0.3 -n 100K & wait
  - run: ssh b ping -c 1 10.0.0.1; ssh c ping -c 1 10.0.0.4
`

test('any number of threads sees the same frames', async () => {
  const alone = await play(LAB, 1)
  console.log(alone.said, alone.file.length, alone.result.spent)
  for (const threads of [2, 3]) {
    const together = await play(LAB, threads)
    expect(together.said).toBe(alone.said)
    expect(together.file.length).toBe(alone.file.length)
    expect(Buffer.compare(together.file, alone.file)).toBe(0)
  }
})
