import { program } from '@bis/build/tsup'

export default program()
