import { RndisParameterType, rndisConfigParameter } from '@bis/hyperv-types/network'

const NAME = 'NetworkAddress'

/** The configuration parameter that asks the host for another address: UTF-16 name and twelve hexadecimal digits. */
export function macParameter(address: Uint8Array): Uint8Array {
  const digits = Array.from(address, (byte) => byte.toString(16).padStart(2, '0')).join('')
  const bytes = new Uint8Array(rndisConfigParameter.size + (NAME.length + digits.length) * 2)
  const valueAt = rndisConfigParameter.size + NAME.length * 2
  rndisConfigParameter.encode(
    {
      parameter_name_offset: rndisConfigParameter.size,
      parameter_name_length: NAME.length * 2,
      parameter_type: RndisParameterType.STRING,
      parameter_value_offset: valueAt,
      parameter_value_length: digits.length * 2,
    },
    bytes,
  )
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < NAME.length; i++) view.setUint16(rndisConfigParameter.size + i * 2, NAME.charCodeAt(i), true)
  for (let i = 0; i < digits.length; i++) view.setUint16(valueAt + i * 2, digits.charCodeAt(i), true)
  return bytes
}
