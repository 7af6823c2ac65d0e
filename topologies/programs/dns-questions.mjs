// Prints every DNS question that pods ask, as they ask it: the search list at work.
import { observe, openTopology } from 'podwire'
import { filter, map } from 'rxjs'

const lab = await openTopology(new URL('../two-node-flannel.yaml', import.meta.url))
await lab.say('kubectl wait --for=condition=Ready pod client web')

const listening = observe
  .frames(lab, { interfaces: 'default/*/eth0', filter: 'udp dst port 53' })
  .pipe(
    filter(({ direction }) => direction === 'out'),
    map((frame) => ({ pod: frame.interface.replace('/eth0', ''), found: / (\w+)\? (\S+)\. /.exec(frame.text) })),
    filter(({ found }) => found !== null),
  )
  .subscribe(({ pod, found }) => console.log(`${pod} asks ${found[1].padEnd(4)} ${found[2]}`))

await lab.say('kubectl exec client -- wget -qO- http://web:8001/')
await lab.say('kubectl exec client -- nslookup kubernetes.default')
listening.unsubscribe()
