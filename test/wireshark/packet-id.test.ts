/** `frame.packet_id == N` in Wireshark's dissectors lists the frames that `podwire explain` lists for packet N. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { readCapture } from '../../src/capture/pcapng-reader.ts'
import { disk, readTopology } from '../../src/cli/open.ts'
import { recordingOfFile } from '../../src/explain/file-recording.ts'
import { journeyOf } from '../../src/explain/journey.ts'
import { recordingOf } from '../../src/explain/lab-recording.ts'
import { Lab } from '../../src/topology/lab.ts'
import { runStep } from '../../src/topology/steps.ts'
import { Dissector } from './dissect.ts'

const silent = { say: () => {}, command: () => {}, output: () => {} }

/** Wireshark's list takes a pass over the whole file for each packet: so many of them. */
const ASKED = 24

describe.each(['kiamol-ch03', 'two-node-flannel'])('%s', (name) => {
  test('has the same frames for a packet in Wireshark and in explanations, of the lab and of its file', async () => {
    const path = new URL(`../../topologies/${name}.yaml`, import.meta.url).pathname
    expect(readFileSync(path, 'utf8')).not.toBe('')
    const topology = readTopology(path)
    const lab = await Lab.build(topology, { ...disk(path), capture: [], explain: true })
    for (const [i, step] of topology.steps.entries()) await runStep(lab, step, i + 1, silent)
    lab.recorder?.stopExplaining()
    const bytes = lab.recorder?.capture.pcapng() ?? new Uint8Array()
    const recordings = [recordingOf(lab, name), recordingOfFile(readCapture(bytes), name)]
    const packets = [...new Set(recordings[0].frames.map(({ packetId }) => packetId ?? 0))]
    expect(packets.length).toBeGreaterThan(30)
    const every = Math.max(1, Math.floor(packets.length / ASKED))
    const wireshark = await Dissector.open(bytes)
    try {
      for (const packet of packets.filter((_, index) => index % every === 0)) {
        const listed = wireshark.frames(`frame.packet_id == ${packet}`).map(({ frame }) => frame)
        for (const recording of recordings) {
          const { stops } = journeyOf(recording, recording.frames[listed[0] - 1])
          expect(stops.map(({ frame }) => frame.number)).toEqual(listed)
        }
      }
    } finally {
      wireshark.close()
    }
  }, 120_000)
})
