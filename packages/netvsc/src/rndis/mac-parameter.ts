import { RndisParameterType, rndisConfigParameter } from '@bis/hyperv-types/network'
import { writeUtf16 } from '@bis/hyperv-types/struct'

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
  writeUtf16(NAME, view, rndisConfigParameter.size)
  writeUtf16(digits, view, valueAt)
  return bytes
}
