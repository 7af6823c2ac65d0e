/** Volumes of pods, and where containers mount them. */
import { list, struct, unmodelled } from './schema-shape.ts'

/** Only ConfigMaps become files. */
export const volume = struct('Volume', {
  name: 'string',
  configMap: struct('ConfigMapVolumeSource', {
    name: 'string',
    items: list(struct('KeyToPath', { key: 'string', path: 'string', mode: 'int32' })),
    defaultMode: 'int32',
    optional: 'bool',
  }),
  emptyDir: unmodelled(),
  hostPath: unmodelled(),
  secret: unmodelled(),
  projected: unmodelled(),
  downwardAPI: unmodelled(),
  persistentVolumeClaim: unmodelled(),
  ephemeral: unmodelled(),
  image: unmodelled(),
  csi: unmodelled(),
  nfs: unmodelled(),
})

export const volumeMount = struct('VolumeMount', {
  name: 'string',
  mountPath: 'string',
  subPath: 'string',
  readOnly: 'bool',
  subPathExpr: unmodelled('string'),
  mountPropagation: unmodelled('string'),
  recursiveReadOnly: unmodelled('string'),
})
