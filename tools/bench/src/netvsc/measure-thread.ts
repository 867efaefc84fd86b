import { answerMeasurement } from '../thread/measurement.ts'
import { measure } from './measure.ts'

answerMeasurement(measure)
