/**
 * Monitor page: the guest sets a pending bit instead of making a hypercall. Monitor id n has bit n % 32 of group n / 32.
 * Source: drivers/hv/hyperv_vmbus.h (struct hv_monitor_page).
 */
import { array, at, bits, i32, layout, reserved, u16, u32 } from '../struct/index.ts'

export const monitorTriggerGroup = layout('hv_monitor_trigger_group', { pending: u32, armed: u32 }, { size: 8 })

/** Whom the host signals for a monitor id. */
export const monitorParameter = layout(
  'hv_monitor_parameter',
  { connectionid: u32, flagnumber: u16, rsvdz: reserved(2) },
  { size: 8 },
)

export const monitorPage = layout(
  'hv_monitor_page',
  {
    trigger_state: bits(4, { group_enable: [0, 4] }),
    rsvdz1: reserved(4),
    trigger_group: array(monitorTriggerGroup, 4),
    rsvdz2: reserved(24),
    next_checktime: at(0x40, array(i32, 128)),
    /** In units of 100 ns. */
    latency: at(0x240, array(u16, 128)),
    rsvdz3: reserved(256),
    parameter: at(0x440, array(monitorParameter, 128)),
    rsvdz4: reserved(1984),
  },
  { size: 4096 },
)
