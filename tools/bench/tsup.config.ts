import { library } from '@bis/build/tsup'

// Without splitting, so that code finds its thread script and C source from where its entry lies.
export default library({ platform: 'node', shims: true, splitting: false })
