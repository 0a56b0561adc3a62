import { addStyles } from '../styles'
import css from './statistics.css?inline'

addStyles(css)
