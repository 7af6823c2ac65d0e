import { describe, expect, it } from 'vitest'
import { sha256Base32, sha256Hex } from '../../src/host/sha256.ts'

describe('sha256', () => {
  it('meets the FIPS 180-4 vectors', () => {
    expect(sha256Hex('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    expect(sha256Hex('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(sha256Hex('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')).toBe(
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    )
  })

  it('gives the chain names that every cluster has', () => {
    expect(sha256Base32('kube-system/kube-dns:dns' + 'udp', 16)).toBe('TCOU7JCQXEZGVUNU')
    expect(sha256Base32('default/kubernetes:https' + 'tcp', 16)).toBe('NPX46M4PTMTKRN6Y')
    expect(sha256Base32('kube-system/kube-dns:dns-tcp' + 'tcp', 16)).toBe('ERIFXISQEP7F7OF4')
  })
})
