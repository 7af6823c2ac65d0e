/** Texts and exit codes are those of ethtool 6.1 on Linux 6.18, offloads turned off with -K there. */
import { describe, expect, it } from 'vitest'
import { Node } from './node.ts'

const SETTINGS = [
  'Settings for eth0:',
  '\tSupported ports: [  ]',
  '\tSupported link modes:   Not reported',
  '\tSupported pause frame use: No',
  '\tSupports auto-negotiation: No',
  '\tSupported FEC modes: Not reported',
  '\tAdvertised link modes:  Not reported',
  '\tAdvertised pause frame use: No',
  '\tAdvertised auto-negotiation: No',
  '\tAdvertised FEC modes: Not reported',
  '\tSpeed: 10000Mb/s',
  '\tDuplex: Full',
  '\tAuto-negotiation: off',
  '\tPort: Twisted Pair',
  '\tPHYAD: 0',
  '\tTransceiver: internal',
  '\tMDI-X: Unknown',
  '\tLink detected: yes',
  '',
].join('\n')

describe('ethtool DEVICE', () => {
  it('prints the settings of a veth', async () => {
    const node = new Node()
    expect(await node.prints('ethtool eth0')).toBe(SETTINGS)
    expect(await node.prints('ethtool lo')).toBe('Settings for lo:\n\tLink detected: yes\n')
  })

  it('has a bridge as fast as its ports, while these have carrier', async () => {
    const node = new Node()
    const end = '\tAuto-negotiation: off\n\tPort: Other\n\tPHYAD: 0\n\tTransceiver: internal\n\tLink detected: '
    expect(await node.prints('ethtool cni0')).toContain(`\tSpeed: 10000Mb/s\n\tDuplex: Unknown! (255)\n${end}yes\n`)
    await node.prints('ip link set eth0 down', node.podPlace)
    expect(await node.prints('ethtool cni0')).toContain(`\tSpeed: Unknown!\n\tDuplex: Unknown! (255)\n${end}no\n`)
  })

  it('asks five times for a device that is not there', async () => {
    const node = new Node()
    const said = await node.run('ethtool eth9')
    expect(said.code).toBe(75)
    expect(said.out).toBe('No data available\n')
    expect(said.err).toBe(
      'netlink error: no device matches name (offset 24)\nnetlink error: No such device\n'.repeat(5),
    )
  })
})

describe('ethtool -i, -S, -l, -T, -P', () => {
  it('knows drivers, statistics, channels and time stamps', async () => {
    const node = new Node()
    expect(await node.prints('ethtool -i cni0')).toBe(
      'driver: bridge\nversion: 2.3\nfirmware-version: N/A\nexpansion-rom-version: \nbus-info: N/A\n' +
        'supports-statistics: no\nsupports-test: no\nsupports-eeprom-access: no\nsupports-register-dump: no\n' +
        'supports-priv-flags: no\n',
    )
    expect(await node.fails('ethtool -i lo')).toBe('71 Cannot get driver information: Operation not supported')
    expect(await node.prints('ethtool -S vethpod')).toBe(
      `NIC statistics:
     peer_ifindex: 2
     rx_queue_0_xdp_packets: 0
     rx_queue_0_xdp_bytes: 0
     rx_queue_0_drops: 0
     rx_queue_0_xdp_redirect: 0
     rx_queue_0_xdp_drops: 0
     rx_queue_0_xdp_tx: 0
     rx_queue_0_xdp_tx_errors: 0
     tx_queue_0_xdp_xmit: 0
     tx_queue_0_xdp_xmit_errors: 0
`,
    )
    expect(await node.fails('ethtool -S cni0')).toBe('94 no stats available')
    expect(await node.prints('ethtool -l eth0')).toContain('Current hardware settings:\nRX:\t\t1\nTX:\t\t1\n')
    expect(await node.prints('ethtool -T cni0')).toBe(
      'Time stamping parameters for cni0:\nCapabilities:\n\tsoftware-receive\n\tsoftware-system-clock\n' +
        'PTP Hardware Clock: none\nHardware Transmit Timestamp Modes: none\nHardware Receive Filter Modes: none\n',
    )
    expect(await node.prints('ethtool -P eth0')).toBe('Permanent address: not set\n')
  })
})

describe('ethtool -k, -K', () => {
  it('shows every feature, nothing offloaded', async () => {
    const node = new Node()
    const lines = (await node.prints('ethtool -k eth0')).split('\n')
    expect(lines.slice(0, 12)).toEqual([
      'Features for eth0:',
      'rx-checksumming: off',
      'tx-checksumming: off',
      '\ttx-checksum-ipv4: off [fixed]',
      '\ttx-checksum-ip-generic: off',
      '\ttx-checksum-ipv6: off [fixed]',
      '\ttx-checksum-fcoe-crc: off [fixed]',
      '\ttx-checksum-sctp: off',
      'scatter-gather: off',
      '\ttx-scatter-gather: off',
      '\ttx-scatter-gather-fraglist: off',
      'tcp-segmentation-offload: off',
    ])
    expect(lines.length).toBe(65)
    expect(lines.filter((line) => line.endsWith('on'))).toEqual(['highdma: on'])
    expect(await node.prints('ethtool -k lo')).toContain('\ntx-vlan-offload: off [fixed]\n')
  })

  it('turns off what is off, and turns nothing on', async () => {
    const node = new Node()
    expect(await node.prints('ethtool -K eth0 tx off tso off gso off gro off tx-checksum-ip-generic off')).toBe('')
    expect(await node.fails('ethtool -K eth0 tx on')).toBe('2 podwire: ethtool -K tx on is not modelled')
    const fixed = await node.run('ethtool -K eth0 lro on')
    expect(fixed).toMatchObject({
      code: 1,
      out: 'Actual changes:\nrx-lro: off [requested on]\n',
      err: 'Could not change any device features\n',
    })
    expect(await node.fails('ethtool -K eth0')).toBe('1 Could not change any device features')
    expect(await node.fails('ethtool -K eth0 tx maybe')).toBe(
      "1 ethtool (-K): flag 'maybe' for parameter '(null)' is not followed by 'on' or 'off'",
    )
    expect(await node.fails('ethtool -K eth0 nope on')).toBe(
      '92 netlink error: bit name not found (offset 52)\nnetlink error: Operation not supported',
    )
  })
})

describe('ethtool on what virtual devices do not have', () => {
  it('refuses as the kernel does', async () => {
    const node = new Node()
    for (const option of ['-a', '-g', '-c', '-m', '--show-eee', '--show-fec', '--show-priv-flags']) {
      expect(await node.fails(`ethtool ${option} eth0`), option).toBe('1 netlink error: Operation not supported')
      expect(await node.fails(`ethtool ${option} eth9`), option).toBe(
        '1 netlink error: no device matches name (offset 24)\nnetlink error: No such device',
      )
    }
    for (const [line, said] of [
      ['-A eth0 rx on', '76 netlink error: Operation not supported'],
      ['-G eth0 rx 5', '81 netlink error: Operation not supported'],
      ['-s eth0 speed 100', '75 netlink error: Operation not supported'],
      ['-x eth0', '1 Cannot get RX ring count: Operation not supported'],
      ['-d eth0', '74 Cannot get register dump: Operation not supported'],
      ['-d lo', '72 Cannot get driver information: Operation not supported'],
      ['-t eth9', '74 Cannot get strings: No such device'],
      ['-i eth9', '71 Cannot get driver information: No such device'],
      ['-S eth9', '96 Cannot get stats strings information: No such device'],
      ['-k eth0 eth9', "1 ethtool: unexpected parameter 'eth9'"],
      ['--show-tunnels eth0', '2 podwire: ethtool --show-tunnels is not modelled'],
    ]) {
      expect(await node.fails(`ethtool ${line}`), line).toBe(said)
    }
    const bad = '1 ethtool: bad command line argument(s)\nFor more information run ethtool -h'
    for (const line of ['ethtool', 'ethtool -k', 'ethtool -q eth0']) expect(await node.fails(line), line).toBe(bad)
  })
})
