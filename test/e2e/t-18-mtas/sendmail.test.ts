// sendmail, live through the feature that popauthd ships and by its access map: the scenes that all attachments play.
import type { Lab } from '../../support/lab.ts'
import { describeAttachment } from '../../support/mta-scenes.ts'
import { startSendmail } from '../../support/sendmail.ts'

const SENDMAIL = { mta: 'sendmail', page: 'sendmail.md', refused: '550' } as const

describeAttachment({
  ...SENDMAIL,
  kind: 'live',
  form: 'socket map',
  start: async (lab: Lab) => {
    const socket = `${lab.shared}/run/popauthd/sendmail.sock`
    await startSendmail(lab, { popauthd: socket })
    return { config: { socketmap: { socket } } }
  },
  expected: { hung: '451', killed: '550 / 451', restarted: '250 / 550', stopped: '550 / 451' },
})

describeAttachment({
  ...SENDMAIL,
  kind: 'file',
  form: 'access map',
  start: async (lab: Lab) => {
    const { accessPath, accessConfig, restart } = await startSendmail(lab)
    const config = { socketmap: { enabled: false }, sendmail_access: accessConfig }
    return { config, restart, files: [accessPath, `${accessPath}.db`] }
  },
  expected: { missing: '451, local 451', mended: '250' },
})
