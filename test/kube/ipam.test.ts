import { describe, expect, it } from 'vitest'
import { checkDisjoint, HostLocal, PlanError, PodCidrs, ServiceAddresses } from '../../src/kube/ipam.ts'
import { Random } from '../../src/sim/random.ts'
import { formatIpv4, parseCidr } from '../../src/wire/address.ts'

describe('address plans', () => {
  it('split the pod network among nodes', () => {
    const plan = new PodCidrs('10.244.0.0/16')
    expect(plan.allocate('w9', '10.244.1.0/24')).toBe('10.244.1.0/24')
    expect(plan.allocate('a', null)).toBe('10.244.0.0/24')
    expect(plan.allocate('b', null)).toBe('10.244.2.0/24')
    expect(() => plan.allocate('c', '10.244.2.0/25')).toThrow('podCIDR 10.244.2.0/25 of node c overlaps 10.244.2.0/24')
    expect(() => plan.allocate('c', '10.99.2.0/24')).toThrow("lies outside the cluster's 10.244.0.0/16")
    const small = new PodCidrs('10.244.0.0/24')
    small.allocate('a', null)
    expect(() => small.allocate('b', null)).toThrow('podCIDR 10.244.0.0/24 is exhausted')
  })

  it('refuse what overlaps or is no network', () => {
    const overlap = () =>
      checkDisjoint([
        { what: 'podCIDR', cidr: '10.96.0.0/16' },
        { what: 'serviceCIDR', cidr: '10.96.0.0/12' },
      ])
    expect(overlap).toThrow('podCIDR 10.96.0.0/16 and serviceCIDR 10.96.0.0/12 overlap')
    expect(() => new PodCidrs('10.244.0.1/16')).toThrow('has host bits set: the network is 10.244.0.0/16')
    expect(() => new PodCidrs('pods')).toThrow(PlanError)
    expect(() => new PodCidrs('10.244.0.0/33')).toThrow('such as 10.244.0.0/16: A Prefix value cannot be less than 0')
  })

  it('give pods the next address, not the one that was freed last', () => {
    const addresses = new HostLocal(parseCidr('10.244.1.0/29'))
    const next = (owner: string) => formatIpv4(addresses.allocate(owner))
    expect([next('a'), next('b')]).toEqual(['10.244.1.2', '10.244.1.3'])
    addresses.release('a')
    expect([next('c'), next('d'), next('e'), next('f')]).toEqual([
      '10.244.1.4',
      '10.244.1.5',
      '10.244.1.6',
      '10.244.1.2',
    ])
    expect(() => next('g')).toThrow('no IP addresses available in range set: 10.244.1.1-10.244.1.6')
  })

  it('give Services addresses above the static band', () => {
    const addresses = new ServiceAddresses('10.96.0.0/12', new Random(1))
    expect(addresses.claim('10.96.0.10', 'dns')).toBeNull()
    expect(addresses.claim('10.96.0.10', 'other')).toContain('already allocated')
    expect(addresses.claim('192.168.0.1', 'other')).toContain('The range of valid IPs is 10.96.0.0/12')
    const given = addresses.allocate('a') ?? ''
    expect(given.startsWith('10.96.0.')).toBe(false)
  })
})
