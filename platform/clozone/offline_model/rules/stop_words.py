"""Words that carry no meaning of their own, by language; and kinds of words that are told apart."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP_WORDS = {
    "en": _words(
        "a about after all also am an and any are as at be been before but by can could did do does "
        "doing done for from get go going got had has have he her here him his how i if in into is "
        "it its just let like me more my no not now of off on one or our out over own said say she "
        "so some such than that the their them then there these they this those to too up us very "
        "was we were what when where which who why will with would you your yes im ive dont its "
        "thats well okay ok shall should may might must ask asks asked many much"
    ),
    "es": _words(
        "a al como con cuál cuando de del donde el ella ellos en entre es esa ese eso esta este esto "
        "está están fue ha han hay la las le les lo los mi muy más me nos o para pero por porque que "
        "qué quién se si sin sobre son su sus también te tiene tienen todo tu un una uno usted "
        "ustedes y ya yo sí cómo gracias"
    ),
    "de": _words(
        "aber als also am an auch auf aus bei bin bis bitte da das dass dem den der des die dies du "
        "ein eine einem einen einer er es für haben hat hier ich ihm ihn ihnen ihr ihre im in ist ja "
        "kann können mein mich mir mit nach nicht noch nur oder schon sein sich sie sind so um und "
        "uns unser von vor war was wenn wer wie wir wird wo zu zum zur"
    ),
    "fr": _words(
        "à au aux avec ce ces cette dans de des du elle en est et eux il ils je la le les leur lui "
        "ma mais me mes moi mon ne nos notre nous on ou où par pas pour qu que qui quoi sa se ses si "
        "son sont sur ta te tu un une vos votre vous y oui très bien êtes avez"
    ),
    "pt": _words(
        "a ao aos as até com como da das de dele do dos e ela ele em entre era essa esse está eu foi "
        "há isso já mais mas me meu minha muito na nas no nos não nós o os ou para pela pelo por qual "
        "quando que quem se sem ser seu sua são também tem têm um uma você vocês obrigado"
    ),
    "it": _words(
        "a al alla anche che chi ci come con cosa da dal del della di e è gli ha hanno ho i il in io "
        "la le lei lo loro ma mi mio ne nel nella noi non o per perché più quando quanto quello questa "
        "questo se si sono su sua suo tra un una uno voi grazie"
    ),
    "nl": _words(
        "aan al als bij dan dat de deze die dit door een en er geen had heb hebben heeft het hier hij "
        "hoe ik in is je jij kan maar me meer met mij mijn naar niet nog nu of om ons onze ook op te "
        "tot u uit uw van voor waar was wat we wie wij wordt zal ze zijn zo"
    ),
}

EVERY_STOP_WORD = frozenset().union(*STOP_WORDS.values())

NEGATIONS = _words(
    "no not never nobody cannot cant dont doesnt didnt wont wouldnt couldnt without nunca sin "
    "tampoco nicht nie kein keine keinen niemals ne pas jamais não nem non mai niet geen"
)

WEEKDAYS = _words(
    "monday tuesday wednesday thursday friday saturday sunday "
    "lunes martes miércoles jueves viernes sábado domingo "
    "montag dienstag mittwoch donnerstag freitag samstag sonntag "
    "lundi mardi mercredi jeudi vendredi samedi dimanche "
    "segunda terça quarta quinta sexta "
    "lunedì martedì mercoledì giovedì venerdì sabato domenica "
    "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag"
)

# What a manager writes about the rep, and a rep never says to a customer.
TALK_ABOUT_REPS = _words(
    "ask asks asking say says tell tells give gives show shows explain explains mention mentions "
    "agree agrees offer offers find finds learn learns name names make makes rep customer "
    "customers open question questions pregunta explica fragt nennt erklärt"
)
