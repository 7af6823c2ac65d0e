/** What podwire gives Wireshark: a profile that shows emulated networks right, and the plugin's script. */

/** In each file that podwire writes, so that it knows its own again. */
export const MARK = 'Written by podwire'

export const PROFILE = 'podwire'
/** Flannel's port beside IANA's: Wireshark before 4.2 knows only the second. */
export const VXLAN_PORTS = '4789,8472'

const columns: readonly (readonly [string, string])[] = [
  ['No.', '%m'],
  ['Time', '%t'],
  ['Interface', '%Cus:frame.interface_name:0:R'],
  ['Direction', '%Cus:frame.packet_flags_direction:0:R'],
  ['Packet', '%Cus:frame.packet_id:0:R'],
  ['Source', '%s'],
  ['Destination', '%d'],
  ['Protocol', '%p'],
  ['Length', '%L'],
  ['Info', '%i'],
  ['Comment', '%Cus:frame.comment:0:R'],
]

/** `deinterlacing`: the installed Wireshark can keep the points apart at which a merged capture saw one TCP stream. */
export function preferencesText(deinterlacing: boolean): string {
  const list = columns.map(([title, format]) => `\t"${title}", "${format}"`).join(',\n')
  const lines = [
    `# ${MARK}: emulated networks, shown right.`,
    `vxlan.udp.port: ${VXLAN_PORTS}`,
    '# Names come with the capture; nobody outside knows these addresses.',
    'nameres.network_name: TRUE',
    'nameres.mac_name: TRUE',
    'nameres.use_external_name_resolver: FALSE',
    `gui.column.format:\n${list}`,
  ]
  if (deinterlacing) lines.push('protocols.conversation_deinterlacing_key: VMI')
  return `${lines.join('\n')}\n`
}

/** Foreground and background, 16 bits a colour; the first rule that fits wins. */
const colours: readonly (readonly [string, string, string, string])[] = [
  ['Dropped', 'frame.comment contains "dropped:"', '65535,65535,65535', '45000,8000,8000'],
  ['TCP reset', 'tcp.flags.reset == 1', '65535,64764,40092', '42148,0,0'],
  ['VXLAN', 'vxlan', '4718,10030,11796', '65535,58000,45000'],
  ['ICMP error', 'icmp.type in {3..5, 11}', '47031,63479,29812', '4718,10030,11796'],
  ['ICMP', 'icmp', '4718,10030,11796', '64764,57568,65535'],
  ['ARP', 'arp', '4718,10030,11796', '64250,61680,55255'],
  ['DNS', 'dns', '4718,10030,11796', '56026,61166,65535'],
  ['TCP begins, ends', 'tcp.flags.syn == 1 || tcp.flags.fin == 1', '4718,10030,11796', '41120,41120,41120'],
  ['HTTP', 'http', '4718,10030,11796', '58596,65535,51143'],
  ['TCP', 'tcp', '4718,10030,11796', '59345,58980,65535'],
  ['UDP', 'udp', '4718,10030,11796', '56026,65535,56026'],
]

export function coloursText(): string {
  const rules = colours.map(([name, filter, front, back]) => `@${name}@${filter}@[${back}][${front}]`)
  return `# ${MARK}: a colour for each layer.\n${rules.join('\n')}\n`
}

/** Names for MAC addresses, which capture files cannot carry. */
export function ethersText(names: readonly { readonly mac: string; readonly name: string }[]): string {
  return `# ${MARK}: who has which MAC address.\n${names.map(({ mac, name }) => `${mac} ${name}\n`).join('')}`
}

/**
 * The plugin. Wireshark starts it once for the list and once for each interface on it before the window appears: it prints a
 * file that `podwire up` keeps, and starts Node for a capture only.
 */
export function pluginText(node: string, podwire: string, uid: number): string {
  return `#!/bin/sh
# ${MARK}: shows the interfaces of running emulators on Wireshark's start page (extcap).
for word; do
  case $word in
    --capture | --extcap-capture-filter) exec ${quoted(node)} ${quoted(podwire)} extcap "$@" ;;
  esac
done
if [ -n "$XDG_RUNTIME_DIR" ] && [ -O "$XDG_RUNTIME_DIR" ]; then
  folder=$XDG_RUNTIME_DIR/podwire
else
  folder=\${TMPDIR:-/tmp}/podwire-${uid}
fi
for word; do
  case $word in
    --extcap-interfaces)
      echo 'extcap {version=1.0}{display=podwire}'
      running=
      for file in "$folder"/*.extcap; do
        process=\${file%.extcap}
        kill -0 "\${process##*.}" 2> /dev/null || continue
        running=yes
        cat "$file"
      done
      [ -n "$running" ] || echo 'interface {value=podwire}{display=podwire (not running)}'
      ;;
    --extcap-dlts)
      echo 'dlt {number=1}{name=EN10MB}{display=Ethernet}'
      ;;
    --extcap-config)
      echo 'arg {number=0}{call=--explain}{display=Explain each frame in a packet comment}{type=boolflag}{default=true}'
      echo 'arg {number=1}{call=--snaplen}{display=Bytes of each frame}{type=integer}{range=1,262144}{default=262144}'
      ;;
  esac
done
`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
