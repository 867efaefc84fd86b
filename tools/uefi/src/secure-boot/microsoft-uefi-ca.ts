import type { SignatureDatabase } from './signature-database.ts'

/**
 * What Hyper-V's template "Microsoft UEFI Certificate Authority" trusts, by published thumbprints. Signatures made under
 * these authorities bring the certificates along.
 */
export const microsoftUefiCa: SignatureDatabase = {
  entries: [],
  thumbprints: [
    // Microsoft Corporation UEFI CA 2011
    '48e99b991f57fc52f76149599bff0a58c47154229b9f8d603ac40d3500248507',
    // Microsoft UEFI CA 2023
    'f6124e34125bee3fe6d79a574eaa7b91c0e7bd9d929c1a321178efd611dad901',
  ],
}
