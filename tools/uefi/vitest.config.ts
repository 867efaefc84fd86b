export { default } from '@bis/build/vitest'
