/** User-defined bytes of the offer of an accelerated IDE disk. Source: OpenVMM storvsp. SCSI offers have zeros. */
import { layout, reserved, u8, u16, u32 } from '../struct/index.ts'

export const ideOfferUserData = layout(
  'ide_offer_user_defined',
  {
    protocol_version: u16,
    /** IDE channel, 0 or 1. */
    path_id: u8,
    /** Device on the channel, 0 or 1. */
    target_id: u8,
    reserved1: reserved(4),
    flags: u32,
    reserved2: reserved(12),
  },
  { size: 24 },
)

/** `flags`: the disk is the emulated IDE one too. */
export const IDE_OFFER_FLAG_EMULATED_IDE = 2
