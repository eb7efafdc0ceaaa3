/** The operator's own formats beside the built-in ones. */
import type { OwnFormat, OwnFormatFault } from '../../core/own-format.ts'
import { parsers } from '../index.ts'
import type { Parser } from '../parser.ts'
import { parserSamples } from '../samples.ts'
import { type BuiltIn, checkFormats } from './check-formats.ts'
import { ownFormatParser } from './own-format-parser.ts'

/** All parsers of a configuration: the built-in ones, then its own formats. @throws {PatternError} for a format that was not checked */
export function allParsers(formats: readonly OwnFormat[]): readonly Parser[] {
  return formats.length === 0 ? parsers : [...parsers, ...formats.map(ownFormatParser)]
}

/** Everything wrong with own formats, tried together with the built-in parsers and their samples. */
export function ownFormatFaults(formats: readonly OwnFormat[]): OwnFormatFault[] {
  return checkFormats(formats, builtIns)
}

function builtIns(): readonly BuiltIn[] {
  return parsers.map((parser) => ({ parser, lines: parserSamples(parser.id).flatMap(({ lines }) => lines) }))
}
