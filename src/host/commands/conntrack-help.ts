/** What `conntrack -h` says here: the commands and options that podwire has, in its own words. */
export const CONNTRACK_HELP = `Usage: conntrack COMMAND [TABLE] [OPTIONS]

Commands:
  -L, --dump      list flows           -E, --event    show what happens to flows
  -G, --get       show one flow        -C, --count    how many flows there are
  -I, --create    make a flow          -S, --stats    counters of the table
  -A, --add       make it unless it is there
  -U, --update    change flows         -D, --delete   delete flows
  -F, --flush     delete all flows     -V, --version

Which flows:
  -s, --src ADDRESS[/BITS]    -r, --reply-src ADDRESS    -n, --src-nat [ADDRESS]
  -d, --dst ADDRESS[/BITS]    -q, --reply-dst ADDRESS    -g, --dst-nat [ADDRESS]
  -p, --protonum PROTOCOL     -m, --mark MARK[/MASK]     -j, --any-nat [ADDRESS]
  -f, --family ipv4           -u, --status STATUS,...    -w, --zone 0
  with -p tcp or udp: --sport, --dport, --reply-port-src, --reply-port-dst; with tcp also --state
  with -p icmp: --icmp-type, --icmp-code, --icmp-id

Besides:
  -t, --timeout SECONDS       -e, --event-mask NEW,UPDATES,DESTROY,ALL
  -z, --zero                  -o, --output extended,id,timestamp,ktimestamp,save,xml
`
