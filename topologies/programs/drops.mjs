// Says of every frame that is dropped anywhere where, why, and what Linux calls it (podwire drops lists the reasons).
import { observe, openTopology } from 'podwire'

const lab = await openTopology(new URL('../two-node-flannel.yaml', import.meta.url))
await lab.say('kubectl wait --for=condition=Ready pod client web')
const { output: web } = await lab.say("kubectl get pod web -o jsonpath='{.status.podIP}'")

const watching = observe.drops(lab).subscribe(({ where, words, kernel, text }) => {
  console.log(`${where}: ${words} (${kernel})\n    ${text}`)
})

// Nobody listens on this port.
await lab.say(`kubectl exec client -- nc -w 1 ${web} 81`)
// Nobody has this address: w2 asks by ARP, and gives up.
await lab.say(`kubectl exec client -- ping -c 1 -W 4 ${web.replace(/\d+$/, '200')}`)
// A firewall on the way.
await lab.say(`ssh w2 iptables -I FORWARD -p icmp -d ${web} -j DROP`)
await lab.say(`kubectl exec client -- ping -c 1 -W 1 ${web}`)
// Used up on the way: traceroute lives on it.
await lab.say(`kubectl exec client -- traceroute -n -q 1 -m 2 ${web}`)
watching.unsubscribe()
