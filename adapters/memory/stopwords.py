"""Words that say nothing about what a memory or a question is about, by language."""

from __future__ import annotations

_WORDS = {
    "en": """
        a about after all also am an and any are aren't as at be because been before being but by can can't could
        couldn't did didn't do does doesn't doing don don't down during each ever for from get got had hadn't has hasn't
        have haven't having he he's her here hers him his how i i'd i'll i'm i've if in into is isn't it it's its itself
        just know let's me more most my myself no nor not of off on once only or other our ours out over own please
        really remember same shan't she she's should shouldn't so some still such tell than that that's the their theirs
        them then there there's these they they're they've this those through to too under until up us very was wasn't
        we we're we've were weren't what what's when where which while who who's whom whose why will with won't would
        wouldn't you you'd you'll you're you've your yours yourself im ive dont
    """,
    "es": """
        a al algo algún alguna algunos ante antes aquí así aunque cada como cómo con contra cual cuál cuando cuándo
        de del desde donde dónde dos e el él ella ellas ellos en entre era eran es esa esas ese eso esos esta está
        estaba estamos están estar estas este esto estos estoy fue fueron ha había han hasta hay he la las le les lo los
        más me mi mí mis mientras mucho muy nada ni no nos nosotros nuestra nuestro o os otra otro para pero poco por
        porque pues que qué quien quién se sea ser si sí sido siempre sin sobre son soy su sus suyo también tan tanto te
        tengo tiene tienen tenía ti todo todos tu tú tus tuvo un una unas uno unos usted va voy y ya yo
    """,
    "de": """
        ab aber alle allem allen aller alles als also am an andere auch auf aus bei beim bin bis bist da damit dann
        das dass dein deine deinem deinen deiner dem den denn der des dich die dies diese diesem diesen dieser dieses
        dir doch dort du durch ein eine einem einen einer eines er es etwas euch euer für gegen habe haben hat hatte
        hatten hier hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins ist ja jede jedem jeden jeder
        jedes jetzt kann kannst kein keine keinen können man manche mehr mein meine meinem meinen meiner meines mich mir
        mit muss nach nicht nichts noch nun nur ob oder ohne schon sehr sein seine seinem seinen seiner seit sich sie
        sind so soll sollte über um und uns unser unsere unter vom von vor wann war waren warum was weil weiß welche
        welchem welchen welcher welches wenn wer werde werden wie wieder will wir wird wo wohin wurde würde zu zum zur
        zwar zwischen
    """,
    "fr": """
        à afin ai aie ait alors après as assez au aucun aussi autre aux avait avant avec avoir avons bien c'est ce
        ceci cela celle celui ces cet cette chez chaque comme comment d'un d'une dans de depuis des deux donc dont du
        elle elles en encore entre es est et étaient étais était été être eu eux fait fut ici il ils j'ai j'étais je
        jusque l'on la là le les leur leurs lui lorsque ma mais me même mes mien moi moins mon n'est ne ni nos notre
        nous on ont ou où par parce pas pendant peu peut plus pour pourquoi puis qu'il qu'elle quand que quel quelle
        quelles quels qui quoi sa sans se sera ses si sien soit son sont sous suis sur ta te tes toi ton toujours tous
        tout toute toutes très tu un une vers vos votre vous y
    """,
    "ru": """
        а без более бы был была были было быть в вам вас ваш весь во вот все всего всех вы где да даже для до его ее
        её ей ему если есть еще ещё ж же за здесь и из или им их к как какая какие какой когда кто ли лишь меня мне
        много мной мои моя моё мое моего моей мой моих моим мы на над надо нам нас наш не него нее неё ней нет ни них но
        ну о об один он она они оно от очень по под после потом потому почему при про раз с сам себе себя сейчас со так
        также такой там тебе тебя тем то того тоже той только том ты твой твоя тут у уже хотя чего чей чем что чтобы чья
        эта эти это этого этой этом этот я
    """,
}
STOP_WORDS = {language: frozenset(words.split()) for language, words in _WORDS.items()}
