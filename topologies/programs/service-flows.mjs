// Follows the conntrack entries of one Service on the node where kube-proxy's rules chose the endpoint:
// made, answered, established, closed, and forgotten two minutes later.
import { observe, openTopology } from 'podwire'
import { filter } from 'rxjs'

const lab = await openTopology(new URL('../two-node-flannel.yaml', import.meta.url))
await lab.say('kubectl wait --for=condition=Ready pod client web')
const { output: address } = await lab.say("kubectl get service web -o jsonpath='{.spec.clusterIP}'")

const begin = lab.world.scheduler.now
const following = observe
  .flows(lab)
  .pipe(filter(({ original }) => original.destination === address))
  .subscribe(({ time, where, text }) => {
    console.log(`${((time - begin) / 1e9).toFixed(3).padStart(8)} s  ${where}  ${text}`)
  })

await lab.say('kubectl exec client -- wget -qO- http://web:8001/')
await lab.runner.runFor(130e9)
following.unsubscribe()
