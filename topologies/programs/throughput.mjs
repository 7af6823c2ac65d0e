// Draws the throughput of one TCP flow, a tenth of a second a line, in virtual time: slow start, loss, recovery.
import { observe, openTopology } from 'podwire'
import { bufferTime, map } from 'rxjs'

const lab = await openTopology(new URL('../impaired-link.yaml', import.meta.url))
// Twenty megabits per second, twenty milliseconds away, a short queue, and one frame of a thousand is lost.
await lab.say('ssh a tc qdisc add dev eth0 root netem rate 20mbit delay 20ms limit 50 loss 0.1%')
const server = lab.begin('ssh c iperf3 -s -1', { out: () => {}, err: () => {} })

const TENTH = 100
const drawing = observe
  .frames(lab, { interfaces: 'c/eth0', filter: 'tcp dst port 5201' })
  .pipe(
    bufferTime(TENTH, null, Number.POSITIVE_INFINITY, observe.clock(lab)),
    map((frames) => frames.reduce((bits, frame) => bits + frame.bytes.length * 8, 0) / (TENTH * 1000)),
  )
  .subscribe((megabits) => console.log(`${megabits.toFixed(1).padStart(5)} Mbit/s ${'#'.repeat(Math.round(megabits * 2))}`))

await lab.say('ssh a iperf3 -c 10.0.0.3 -t 3')
drawing.unsubscribe()
await lab.runner.until(server)
