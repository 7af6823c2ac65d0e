/**
 * ConfigMaps as files in containers. The kubelet writes them before the containers start, and again at its next sync
 * of the pod when a ConfigMap has changed; what is mounted by `subPath` stays as it was.
 */
import type { ConfigMap, ContainerSpec, Pod } from './objects.ts'
import type { Store } from './store.ts'

function configMapOf(store: Store, pod: Pod, name: string): ConfigMap | null {
  return store.get<ConfigMap>('ConfigMap', pod.metadata.namespace as string, name)
}

/** Why the pod's volumes can't be set up; null when they can. */
export function volumeFault(store: Store, pod: Pod): string | null {
  for (const { name, configMap } of pod.spec.volumes ?? []) {
    if (configMap === undefined) continue
    const map = configMapOf(store, pod, configMap.name)
    const failed = `MountVolume.SetUp failed for volume "${name}" : `
    if (map === null && configMap.optional !== true) return `${failed}configmap "${configMap.name}" not found`
    const absent = configMap.items?.find(({ key }) => map?.data?.[key] === undefined)
    if (absent !== undefined && configMap.optional !== true)
      return `${failed}configmap references non-existent config key: ${absent.key}`
  }
  return null
}

/** Paths and texts. `again`: only what follows changes of a ConfigMap. */
export function volumeFiles(store: Store, pod: Pod, container: ContainerSpec, again = false): Map<string, string> {
  const files = new Map<string, string>()
  for (const mount of container.volumeMounts ?? []) {
    const source = pod.spec.volumes?.find(({ name }) => name === mount.name)?.configMap
    if (source === undefined || (again && mount.subPath !== undefined)) continue
    const data = configMapOf(store, pod, source.name)?.data ?? {}
    const items = source.items ?? Object.keys(data).map((key) => ({ key, path: key }))
    for (const { key, path } of items) {
      if (data[key] === undefined) continue
      const at = mount.mountPath.replace(/\/$/, '')
      if (mount.subPath === undefined) files.set(`${at}/${path}`, data[key])
      else if (mount.subPath === path) files.set(at, data[key])
    }
  }
  return files
}

/** Whether this pod shows the ConfigMap in a volume. */
export function mountsConfigMap(pod: Pod, map: ConfigMap): boolean {
  if (pod.metadata.namespace !== map.metadata.namespace) return false
  return (pod.spec.volumes ?? []).some(({ configMap }) => configMap?.name === map.metadata.name)
}
