/** The DNS commands, for the table of commands. */
export { dig } from './dig.ts'
export { dnsServerApp } from './dns-server.ts'
export { getent } from './getent.ts'
export { host } from './host.ts'
export { nslookup } from './nslookup.ts'
export { busyboxNslookup } from './nslookup-busybox.ts'
