import * as z from 'zod'

/** A structural OpenAPI v3 schema as a CustomResourceDefinition holds it. */
export interface StructuralSchema {
  type?: string
  format?: string
  description?: string
  properties?: Record<string, StructuralSchema>
  additionalProperties?: StructuralSchema
  items?: StructuralSchema
  required?: string[]
  enum?: string[]
  [keyword: string]: unknown
}

/** Bounds that zod writes for a whole number of a format; the format says the same in a CRD. */
const INTEGERS: Readonly<Record<string, { format: string; minimum: number; maximum: number }>> = {
  int32: { format: 'int32', minimum: -(2 ** 31), maximum: 2 ** 31 - 1 },
  safeint: { format: 'int64', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER },
}

/**
 * The structural schema of a zod schema. The API server prunes unknown fields, so `additionalProperties: false` is
 * dropped, and formats stand in for the patterns and bounds that zod adds on its own. Throws where zod has a type that
 * JSON cannot carry.
 */
export function structural(schema: z.ZodType): StructuralSchema {
  const { $schema: _, ...result } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    override({ zodSchema, jsonSchema }) {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
      // Says the same; of unions a structural schema knows this one only.
      if ('x-kubernetes-int-or-string' in jsonSchema) delete jsonSchema.anyOf
      const { def } = zodSchema._zod
      const integer = 'format' in def && typeof def.format === 'string' ? INTEGERS[def.format] : undefined
      if (!integer) return
      jsonSchema.format = integer.format
      if (jsonSchema.minimum === integer.minimum) delete jsonSchema.minimum
      if (jsonSchema.maximum === integer.maximum) delete jsonSchema.maximum
    },
  })
  return result as StructuralSchema
}
