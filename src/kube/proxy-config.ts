/** The ConfigMap `kube-proxy` that kubeadm leaves (v1.32): kube-proxy's configuration, with its mode. */
import type { KubeObject } from './objects.ts'
import type { ProxyModeName, ProxyModeOptions } from './proxy-mode.ts'

export interface ProxyConfig extends Pick<ProxyModeOptions, 'nodePortAddresses' | 'localhostNodePorts' | 'ipvs'> {
  readonly mode?: ProxyModeName
  readonly clusterCIDR: string
}

export function proxyConfigMap(config: ProxyConfig): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kube-proxy', namespace: 'kube-system', labels: { app: 'kube-proxy' } },
    data: { 'config.conf': configuration(config) },
  } as KubeObject
}

function configuration({ mode, clusterCIDR, nodePortAddresses = [], localhostNodePorts, ipvs }: ProxyConfig): string {
  // What is the default is left empty, as kubeadm does.
  const named = mode === undefined || mode === 'iptables' ? '' : mode
  const addresses = nodePortAddresses.map((each) => `\n- ${each}`).join('')
  return `apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 0
  contentType: ""
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
  qps: 0
clusterCIDR: ${clusterCIDR}
configSyncPeriod: 0s
conntrack:
  maxPerCore: null
  min: null
  tcpBeLiberal: false
  tcpCloseWaitTimeout: null
  tcpEstablishedTimeout: null
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ""
enableProfiling: false
healthzBindAddress: ""
hostnameOverride: ""
iptables:
  localhostNodePorts: ${localhostNodePorts === false ? 'false' : 'null'}
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: "${mode === 'ipvs' ? (ipvs?.scheduler ?? '') : ''}"
  strictARP: ${ipvs?.strictARP === true}
  syncPeriod: 0s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
    text:
      infoBufferSize: "0"
  verbosity: 0
metricsBindAddress: ""
mode: "${named}"
nftables:
  masqueradeAll: false
  masqueradeBit: null
  minSyncPeriod: 0s
  syncPeriod: 0s
nodePortAddresses: ${addresses === '' ? 'null' : addresses.trimEnd()}
oomScoreAdj: null
portRange: ""
showHiddenMetricsForVersion: ""
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""`.replaceAll(': \n', ':\n')
}
