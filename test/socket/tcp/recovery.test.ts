/**
 * Loss recovery, frame by frame. What is expected is what Linux 6.18 with cubic did between two namespaces whose
 * frames a program delayed by 10 ms each way and dropped by number; only times are rounder here.
 */
import { expect, test } from 'vitest'
import type { Frame } from '../../../src/link/frame.ts'
import { MICROSECOND, MILLISECOND } from '../../../src/sim/scheduler.ts'
import { i32 } from '../../../src/wire/bytes.ts'
import * as ethernet from '../../../src/wire/ethernet.ts'
import * as ipv4 from '../../../src/wire/ipv4.ts'
import * as tcp from '../../../src/wire/tcp.ts'
import { Pair, readAll } from '../pair.ts'

interface Drops {
  /** The n-th segments with data, from 1, when they are first seen. */
  data: number[]
  /** How many retransmissions of such a segment are dropped as well. */
  again?: Record<number, number>
}

/** Sends so many bytes from the client to the server, and closes. */
function transfer(length: number, drops: Drops, sysctls: Record<string, string> = {}): Pair {
  const pair = new Pair({ mtu: 1500, delay: 10 * MILLISECOND })
  for (const [name, value] of Object.entries(sysctls)) {
    pair.client.sysctl.set(name, value)
    pair.server.sysctl.set(name, value)
  }
  pair.clientEnd.impairment = dropper(drops)
  pair.listen(80, (socket) => {
    socket.onReadable = () => {
      pair.world.scheduler.call(30 * MICROSECOND, () => {
        readAll(socket)
        if (socket.ended) socket.close()
      })
    }
  })
  const socket = pair.connect(80)
  const bytes = new Uint8Array(length)
  let sent = 0
  const write = () => {
    sent += socket.write(bytes, sent)
    if (sent === length) socket.shutdown()
  }
  socket.onConnect = write
  socket.onWritable = write
  socket.onReadable = () => {
    if (socket.ended) socket.close()
  }
  pair.run(20_000)
  return pair
}

function dropper({ data, again = {} }: Drops): (frame: Frame) => boolean {
  const seen = new Map<number, number>()
  const left = new Map(Object.entries(again).map(([number, count]) => [Number(number), count]))
  return ({ bytes, start }) => {
    const at = start + ethernet.HEADER
    if (ethernet.type(bytes, start) !== ethernet.ETH_P_IP) return false
    const segment = at + ipv4.headerLength(bytes, at)
    const length = ipv4.totalLength(bytes, at) - (segment - at) - tcp.headerLength(bytes, segment)
    if (length <= 200) return false
    const sequence = i32(bytes, segment + 4)
    const number = seen.get(sequence)
    if (number === undefined) {
      seen.set(sequence, seen.size + 1)
      return data.includes(seen.size)
    }
    const more = left.get(number) ?? 0
    left.set(number, more - 1)
    return more > 0
  }
}

/** What was said, without windows: `>24617` a data segment, `<24617` an acknowledgment, with its SACK block. */
function brief(pair: Pair): string[] {
  return pair.said().map((line) => {
    const data = /^> \S+ (\d+):/.exec(line)
    if (data !== null) return `>${data[1]}`
    const block = /sack (\d+:\d+)/.exec(line)
    return `${line[0]}${/ack (\d+)/.exec(line)?.[1] ?? ''}${block === null ? '' : ` ${block[1]}`}`
  })
}

test('three lost at the end: a tail loss probe, and RACK finds the rest by it', () => {
  const pair = transfer(28_960, { data: [18, 19, 20] })
  const times = [...pair.times]
  expect(brief(pair).slice(-8)).toEqual([
    '>27513',
    '<24617 27513:28962',
    '>24617',
    '<26065 27513:28962',
    '>26065',
    '<28962',
    '<28962',
    '>2',
  ])
  // Two round trips and two milliseconds after the last acknowledgment, on the timer wheel.
  expect(times.at(-8)! - times.at(-9)!).toBeGreaterThanOrEqual(42)
  expect(times.at(-8)! - times.at(-9)!).toBeLessThan(56)
})

test('a retransmission that is lost is noticed by what was sent after it', () => {
  const pair = transfer(60_000, { data: [5], again: { 5: 1 } })
  const lines = brief(pair)
  const from = lines.indexOf('<5793 7241:11585')
  expect(lines.slice(from, from + 33)).toEqual([
    '<5793 7241:11585',
    '>5793',
    '<5793 7241:13033',
    '>28961',
    '<5793 7241:14481',
    '<5793 7241:15929',
    '>30409',
    '<5793 7241:17377',
    '>31857',
    '<5793 7241:18825',
    '<5793 7241:20273',
    '>33305',
    '<5793 7241:21721',
    '>34753',
    '<5793 7241:23169',
    '<5793 7241:24617',
    '<5793 7241:26065',
    '>36201',
    '<5793 7241:27513',
    '>37649',
    '<5793 7241:28961',
    '>39097',
    '<5793 7241:30409',
    '>5793',
    '>40545',
    '<5793 7241:31857',
    '>41993',
    '<5793 7241:33305',
    '>43441',
    '<5793 7241:34753',
    '>44889',
    '<40545',
    '>46337',
  ])
})

test('a whole window lost: probe, time-outs that double, F-RTO sends new data first, then slow start', () => {
  const pair = transfer(28_960, { data: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], again: { 1: 2, 10: 1 } })
  const times = [...pair.times]
  const lines = brief(pair)
  const from = lines.indexOf('>14481')
  expect(lines.slice(from, from + 20)).toEqual([
    '>14481',
    '<1 14481:15929',
    '>1',
    '>1',
    '>1',
    '<1449 14481:15929',
    '>15929',
    '>17377',
    '<1449 14481:17377',
    '>1449',
    '<1449 14481:18825',
    '>2897',
    '<2897 14481:18825',
    '>4345',
    '>5793',
    '<4345 14481:18825',
    '>7241',
    '>8689',
    '<5793 14481:18825',
    '>10137',
  ])
  const gap = times[from + 4] - times[from + 3]
  const first = times[from + 3] - times[from + 2]
  // Linux: 248 and 512 ms, which the wheel rounds up.
  expect(Math.abs(first - 248)).toBeLessThan(12)
  expect(Math.abs(gap - 512)).toBeLessThan(36)
})

test('without SACK and timestamps every loss is still repaired', () => {
  const off = { 'net.ipv4.tcp_sack': '0', 'net.ipv4.tcp_timestamps': '0' }
  for (const data of [[3], [5, 6, 7], [20], [10, 14, 19]]) {
    const pair = transfer(40_000, { data }, off)
    expect(brief(pair).filter((line) => line === '<40002').length).toBeGreaterThan(0)
    expect(pair.world.frames.inUse).toBe(0)
  }
})

test('small segments that were lost go again as one', () => {
  const pair = new Pair({ mtu: 1500, delay: 10 * MILLISECOND })
  pair.clientEnd.impairment = dropper({ data: [2, 3, 4] })
  pair.listen(80, (socket) => {
    socket.onReadable = () => readAll(socket)
  })
  const socket = pair.connect(80)
  socket.noDelay = true
  socket.onConnect = () => {
    for (let i = 0; i < 6; i++) {
      pair.world.scheduler.call(i * 5 * MILLISECOND, () => socket.write(new Uint8Array(300)))
    }
  }
  pair.run(150)
  expect(brief(pair).slice(-5)).toEqual(['>1501', '<301 1201:1501', '>301', '<301 1201:1801', '<1801'])
})
