import { addStyles } from '../styles'
import css from './scoring.css?inline'

addStyles(css)
