import { addStyles } from '../styles'
import css from './compare.css?inline'

addStyles(css)
