/** tcpreplay on a node; the layout of its sum is tcpreplay 4.4.3's, as it sent this file out of a veth. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Node } from './node.ts'

const recorded = readFileSync(new URL('../../capture/foreign/ping.pcap', import.meta.url), 'latin1')

function prepared(): Node {
  const node = new Node()
  node.podPlace.files.set('/tmp/ping.pcap', recorded)
  return node
}

test('sends what was captured, at the distances that it had', async () => {
  const node = prepared()
  const text = await node.prints('tcpreplay -i eth0 /tmp/ping.pcap', node.podPlace)
  expect(text).toBe(
    'Actual: 8 packets (594 bytes) sent in 1.08 seconds\n' +
      'Rated: 548.6 Bps, 0.004 Mbps, 7.39 pps\n' +
      'Flows: 4 flows, 3.69 fps, 6 unique flow packets, 2 unique non-flow packets\n' +
      'Statistics for network device: eth0\n' +
      '\tSuccessful packets:        8\n' +
      '\tFailed packets:            0\n' +
      '\tTruncated packets:         0\n' +
      '\tRetried packets (ENOBUFS): 0\n' +
      '\tRetried packets (EAGAIN):  0\n',
  )
  await node.rest()
})

test('what a node itself captured can be sent again, at any speed', async () => {
  const node = prepared()
  const text = await node.prints('tcpreplay -t -l 3 -L 20 -i eth0 /tmp/ping.pcap', node.podPlace)
  expect(text).toMatch(/^Actual: 20 packets \(\d+ bytes\) sent in 0\.000105 seconds\n/)
  expect(await node.prints('tcpreplay -p 100 -i eth0 /tmp/ping.pcap', node.podPlace)).toContain('sent in 0.070')
  expect(await node.prints('tcpreplay -x 10 -i eth0 /tmp/ping.pcap', node.podPlace)).toContain('sent in 0.108')
  await node.rest()
})

test('refuses as the real one does', async () => {
  const node = prepared()
  expect(await node.fails('tcpreplay -i nope /tmp/ping.pcap', node.podPlace)).toBe(
    '255 \nFatal Error in tcpreplay.c:main() line 79:\n' +
      ' Unable to parse args: From tcpreplay_api.c:tcpreplay_post_args() line 336:\n' +
      'Invalid interface name/alias: nope',
  )
  expect(await node.fails('tcpreplay -i eth0 nofile', node.podPlace)).toBe(
    '255 \nFatal Error in tcpreplay.c:main() line 122:\n' +
      ' Unable to retrieve information from file nofile: No such file or directory',
  )
  expect(await node.fails('tcpreplay /tmp/ping.pcap', node.podPlace)).toBe(
    '1 tcpreplay error:  The intf1 option is required',
  )
  expect(await node.fails('tcpreplay -M 5 -i eth0 /tmp/ping.pcap', node.podPlace)).toBe(
    '2 podwire: tcpreplay -M is not modelled',
  )
})
