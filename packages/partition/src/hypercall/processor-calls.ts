import {
  FlushFlag,
  Hint,
  HvStatus,
  HypercallCode,
  sendIpi,
  sendIpiEx,
  tlbFlush,
  tlbFlushEx,
} from '@bis/hyperv-types/hypervisor'
import { FIRST_VECTOR } from '../interrupt-controller.ts'
import type { VirtualProcessor } from '../virtual-processor.ts'
import type { Hypercall } from './call.ts'
import type { HypercallFrame } from './hypercall-frame.ts'
import { processorsInMask, processorsInSet } from './processor-set.ts'

const MAX_VECTOR = 255
const ADDRESS_BYTES = 8
const FLUSH_FLAGS =
  FlushFlag.ALL_PROCESSORS |
  FlushFlag.ALL_VIRTUAL_ADDRESS_SPACES |
  FlushFlag.NON_GLOBAL_MAPPINGS_ONLY |
  FlushFlag.USE_EXTENDED_RANGE_FORMAT

/** The enlightenments between processors. They exist only while the hints recommend them. */
export function processorCalls(hints: number, processors: readonly VirtualProcessor[]): readonly Hypercall[] {
  const has = (hint: number): boolean => (hints & hint) !== 0
  const sparse = has(Hint.EX_PROCESSOR_MASKS)
  const flush = has(Hint.HYPERCALL_FOR_REMOTE_FLUSH) || has(Hint.HYPERCALL_FOR_LOCAL_FLUSH)
  return [
    longSpinWait,
    ...(flush ? flushCalls : []),
    ...(flush && sparse ? flushExCalls(processors) : []),
    ...(has(Hint.CLUSTER_IPI) ? [clusterIpi(processors)] : []),
    ...(has(Hint.CLUSTER_IPI) && sparse ? [clusterIpiEx(processors)] : []),
  ]
}

const longSpinWait: Hypercall = {
  code: HypercallCode.NOTIFY_LONG_SPIN_WAIT,
  name: 'HvNotifyLongSpinWait',
  inputBytes: 8,
  fast: true,
  allowed: true,
  execute: () => HvStatus.SUCCESS,
}

/** There is no TLB here: a flush is done when its parameters are right. */
function checkFlush({ input }: HypercallFrame): number {
  const flags = tlbFlush.flags.get(input, 0)
  return flags <= FLUSH_FLAGS ? HvStatus.SUCCESS : HvStatus.INVALID_PARAMETER
}

const flushCalls: readonly Hypercall[] = [
  {
    code: HypercallCode.FLUSH_VIRTUAL_ADDRESS_SPACE,
    name: 'HvFlushVirtualAddressSpace',
    inputBytes: tlbFlush.size,
    fast: false,
    allowed: true,
    execute: (_vp, frame) => checkFlush(frame),
  },
  {
    code: HypercallCode.FLUSH_VIRTUAL_ADDRESS_LIST,
    name: 'HvFlushVirtualAddressList',
    inputBytes: tlbFlush.size,
    elementBytes: ADDRESS_BYTES,
    fast: false,
    allowed: true,
    execute: (_vp, frame) => checkFlush(frame),
  },
]

function flushExCalls(processors: readonly VirtualProcessor[]): readonly Hypercall[] {
  const setOffset = tlbFlushEx.hv_vp_set.offset
  const execute = (_vp: VirtualProcessor, frame: HypercallFrame): number => {
    const known = processorsInSet(processors, frame.input, setOffset, frame.variableHeaderBytes) !== undefined
    return known ? checkFlush(frame) : HvStatus.INVALID_HYPERCALL_INPUT
  }
  const shape = { inputBytes: tlbFlushEx.size, variableHeader: true, fast: false, allowed: true, execute }
  return [
    { ...shape, code: HypercallCode.FLUSH_VIRTUAL_ADDRESS_SPACE_EX, name: 'HvFlushVirtualAddressSpaceEx' },
    {
      ...shape,
      code: HypercallCode.FLUSH_VIRTUAL_ADDRESS_LIST_EX,
      name: 'HvFlushVirtualAddressListEx',
      elementBytes: ADDRESS_BYTES,
    },
  ]
}

function send(targets: readonly VirtualProcessor[] | undefined, vector: number): number {
  if (targets === undefined || vector < FIRST_VECTOR || vector > MAX_VECTOR) return HvStatus.INVALID_HYPERCALL_INPUT
  for (const { interrupts } of targets) interrupts.request(vector, false)
  return HvStatus.SUCCESS
}

function clusterIpi(processors: readonly VirtualProcessor[]): Hypercall {
  return {
    code: HypercallCode.SEND_SYNTHETIC_CLUSTER_IPI,
    name: 'HvSendSyntheticClusterIpi',
    inputBytes: sendIpi.size,
    fast: true,
    allowed: true,
    execute: (_vp, { input }) =>
      send(processorsInMask(processors, sendIpi.cpu_mask.get(input, 0)), sendIpi.vector.get(input, 0)),
  }
}

function clusterIpiEx(processors: readonly VirtualProcessor[]): Hypercall {
  return {
    code: HypercallCode.SEND_SYNTHETIC_CLUSTER_IPI_EX,
    name: 'HvSendSyntheticClusterIpiEx',
    inputBytes: sendIpiEx.size,
    variableHeader: true,
    fast: false,
    allowed: true,
    execute: (_vp, { input, variableHeaderBytes }) => {
      const targets = processorsInSet(processors, input, sendIpiEx.vp_set.offset, variableHeaderBytes)
      return send(targets, sendIpiEx.vector.get(input, 0))
    },
  }
}
