import { library } from '@bis/build/tsup'

export default library()
