import { addStyles } from '../styles'
import css from './viewer.css?inline'

addStyles(css)
