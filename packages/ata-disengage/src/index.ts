export { ataDisengage, DISK_ENABLE } from './driver.ts'
