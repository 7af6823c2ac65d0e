// Counts the frames of each interface, second by second, while one pod pings another on another node.
// The seconds are those of the emulated world: the program itself takes as long as it takes.
import { observe, openTopology } from 'podwire'
import { bufferTime } from 'rxjs'

const lab = await openTopology(new URL('../two-node-flannel.yaml', import.meta.url))
await lab.say('kubectl wait --for=condition=Ready pod client web')
const { output: web } = await lab.say("kubectl get pod web -o jsonpath='{.status.podIP}'")

const interfaces = ['default/*/eth0', '**/flannel.1', 'w?.example.com/eth0']
let second = 0
const counting = observe
  .frames(lab, { interfaces })
  .pipe(bufferTime(1000, null, Number.POSITIVE_INFINITY, observe.clock(lab)))
  .subscribe((frames) => {
    const counts = new Map()
    for (const frame of frames) counts.set(frame.interface, (counts.get(frame.interface) ?? 0) + 1)
    const row = [...counts].sort().map(([name, count]) => `${name} ${count}`)
    console.log(`second ${++second}: ${row.join(', ') || 'silence'}`)
  })

await lab.say(`kubectl exec client -- ping -c 3 ${web}`)
await lab.runner.runFor(1e9)
counting.unsubscribe()
