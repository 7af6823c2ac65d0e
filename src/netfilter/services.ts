/** Well-known ports by name, both ways: what /etc/services says of the ports one meets (IANA). */

/** `name port/protocols`; t: TCP, u: UDP. */
const known =
  'tcpmux 1t,echo 7tu,discard 9tu,daytime 13tu,qotd 17t,chargen 19tu,ftp-data 20t,ftp 21t,ssh 22t,telnet 23t,smtp 25t,' +
  'time 37tu,whois 43t,tacacs 49tu,domain 53tu,bootps 67u,bootpc 68u,tftp 69u,gopher 70t,finger 79t,http 80t,' +
  'kerberos 88tu,pop3 110t,sunrpc 111tu,auth 113t,nntp 119t,ntp 123u,epmap 135t,netbios-ns 137u,netbios-dgm 138u,' +
  'netbios-ssn 139t,imap2 143t,snmp 161tu,snmp-trap 162tu,bgp 179t,ldap 389tu,https 443tu,' +
  'microsoft-ds 445tu,kpasswd 464tu,submissions 465t,isakmp 500u,syslog 514u,shell 514t,printer 515t,route 520u,' +
  'submission 587t,ipp 631t,ldaps 636tu,domain-s 853tu,rsync 873t,imaps 993t,pop3s 995t,socks 1080t,openvpn 1194tu,' +
  'ms-sql-s 1433t,radius 1812tu,radius-acct 1813tu,nfs 2049tu,mysql 3306t,' +
  'ms-wbt-server 3389t,svn 3690t,ipsec-nat-t 4500u,sip 5060tu,sip-tls 5061tu,xmpp-client 5222t,mdns 5353u,' +
  'postgresql 5432t,amqps 5671t,amqp 5672t,x11 6000t,redis 6379t,http-alt 8080t,git 9418t'

interface Service {
  readonly name: string
  readonly port: number
  readonly tcp: boolean
  readonly udp: boolean
}

const services: readonly Service[] = known.split(',').map((entry) => {
  const [name, port] = entry.split(' ')
  return { name, port: Number.parseInt(port, 10), tcp: port.includes('t'), udp: port.includes('u') }
})

/** Null when the name is not known. */
export function servicePort(name: string): number | null {
  return services.find((service) => service.name === name)?.port ?? null
}

/** The name of a port, or its number. */
export function serviceName(port: number, protocol: 'tcp' | 'udp'): string {
  return services.find((service) => service.port === port && service[protocol])?.name ?? String(port)
}
