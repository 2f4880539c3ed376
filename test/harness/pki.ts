import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** A temporary certificate authority and the certificates that it signed. */
export interface Pki {
  readonly directory: string
  /** Path of a file in the directory, such as `ca.crt` or `apiserver.key`. */
  path(name: string): string
  /**
   * Signs a certificate for a server or client: `<name>.crt` with `<name>.key`. The arguments must not
   * contain spaces.
   */
  issue(name: string, subject: string, subjectAltName?: string): Promise<void>
}

/**
 * Creates a certificate authority and a service-account key pair in an existing directory. Needs the openssl
 * command.
 */
export async function createPki(directory: string): Promise<Pki> {
  const path = (name: string) => join(directory, name)
  const openssl = async (command: string) => {
    await execute('openssl', command.split(' '), { cwd: directory })
  }
  const newKey = (name: string) => openssl(`ecparam -name prime256v1 -genkey -noout -out ${name}`)

  await newKey('ca.key')
  await openssl(
    'req -x509 -new -key ca.key -subj /CN=test-ca -days 30 -out ca.crt ' +
      '-addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature',
  )
  await openssl('genrsa -out sa.key 2048')
  await openssl('rsa -in sa.key -pubout -out sa.pub')

  return {
    directory,
    path,
    async issue(name, subject, subjectAltName) {
      await newKey(`${name}.key`)
      await openssl(`req -new -key ${name}.key -subj ${subject} -out ${name}.csr`)
      const extensions = ['keyUsage=critical,digitalSignature', 'extendedKeyUsage=serverAuth,clientAuth']
      if (subjectAltName) extensions.push(`subjectAltName=${subjectAltName}`)
      await writeFile(path(`${name}.ext`), `${extensions.join('\n')}\n`)
      await openssl(
        `x509 -req -in ${name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile ${name}.ext -out ${name}.crt`,
      )
    },
  }
}
